"""What can be asked of a conversion: every option, its default and its help stand here, for Python and command line."""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args

from lsg_convert.common.errors import RequestError
from lsg_convert.common.sizes import parse_size
from lsg_convert.modeling.lsg_options import (
    MAX_GLOBAL_TOKENS,
    AutomaticGlobals,
    BackendName,
    LocalAttention,
    LSGOptions,
    SparsityType,
)
from lsg_convert.plan.positions import Positions

DEFAULT_MAX_LEN = 4096
MAX_MAX_LEN = 2**20
Dtype = Literal["keep", "float32", "float16", "bfloat16"]
GlobalInit = Literal["mask", "random"]
_SPELLINGS = {
    "fp32": "float32", "f32": "float32", "float": "float32", "single": "float32",
    "fp16": "float16", "f16": "float16", "half": "float16", "bf16": "bfloat16", "auto": "keep", "same": "keep",
}  # fmt: skip

_ATTENTION, _GLOBALS, _OUTPUT = "Attention", "Global tokens", "Output"


def _shown(panel: str | None, text: str, short: str | None = None) -> dict[str, str | None]:
    """How a command shows a field: the heading it stands under, its help, and a one-letter spelling."""
    return {"panel": panel, "help": text, "short": short}


@dataclass(frozen=True)
class ConvertOptions:
    """The options of a conversion; None where the source, or else the default, decides.

    The LSG fields are those of the model's configuration. `max_len` counts tokens without globals.
    """

    max_len: int | None = field(
        default=None,
        metadata=_shown(
            None,
            f"Tokens the converted model can take. Default: {DEFAULT_MAX_LEN}; for a source that is long already (LSG, "
            "Longformer, LED), its own length.",
        ),
    )
    block_size: int | None = field(
        default=None,
        metadata=_shown(
            _ATTENTION,
            "Tokens a block. A token attends to its own block and both neighbours; inputs of up to two blocks get full "
            "attention.",
        ),
    )
    local_attention: LocalAttention | None = field(
        default=None,
        metadata=_shown(
            _ATTENTION,
            "What is near: block (a token's block and both neighbours) or sliding (half a window of tokens on each "
            "side, as Longformer has it, at every length). Default: as the source has it, else block.",
        ),
    )
    attention_window: int | None = field(
        default=None,
        metadata=_shown(
            _ATTENTION,
            "Tokens in the window of sliding attention, an even number. Default: as the source has it, else two "
            "blocks.",
        ),
    )
    sparse_block_size: int | None = field(
        default=None,
        metadata=_shown(
            _ATTENTION, "Sparse tokens that a block attends to on each side, beyond the local ones. 0: none."
        ),
    )
    sparsity_factor: int | None = field(
        default=None,
        metadata=_shown(
            _ATTENTION,
            "Tokens that one sparse token stands for. Must divide the block size. A larger one reaches further and "
            "sees less.",
        ),
    )
    sparsity_type: SparsityType | None = field(
        default=None,
        metadata=_shown(
            _ATTENTION,
            "How sparse tokens are chosen: norm (largest keys), pooling (means), bos_pooling (means weighted by the "
            "first token's attention), lsh (means of similar tokens), stride, block_stride (every f-th token or "
            "segment, per head), none.",
        ),
    )
    adaptive: bool | None = field(
        default=None,
        metadata=_shown(_ATTENTION, "Pad inputs to whole blocks inside the model, and trim the outputs back."),
    )
    attention_backend: BackendName | None = field(
        default=None,
        metadata=_shown(
            _ATTENTION,
            "How attention is computed, unless chosen anew when loading: sdpa, flex (FlexAttention, for GPUs), cpp (a "
            "kernel compiled on first use, for float32 on CPUs; sdpa where it cannot be), auto (sdpa).",
        ),
    )
    num_global_tokens: int | None = field(
        default=None,
        metadata=_shown(
            _GLOBALS,
            f"Learned tokens that attend to everything, as everything does to them (0 to {MAX_GLOBAL_TOKENS}).",
        ),
    )
    automatic_globals: AutomaticGlobals | None = field(
        default=None,
        metadata=_shown(
            _GLOBALS,
            "Tokens of the input that are global by themselves, where no global_attention_mask is given: question "
            "(those before the first separator; --question-global is short for it), choice (those of the text behind "
            "it), first (the first), ends (BigBird's: the first and the last block), none. Default: as the source has "
            "it.",
        ),
    )
    mask_first_token: bool | None = field(
        default=None,
        metadata=_shown(
            _GLOBALS,
            "Hide the first token, for which the first global token stands in. Default: on for families whose inputs "
            "open with BOS or CLS.",
        ),
    )
    pool_with_global: bool | None = field(
        default=None, metadata=_shown(_GLOBALS, "The output at the first token is that of the first global token.")
    )
    pass_global_tokens_to_decoder: bool | None = field(
        default=None, metadata=_shown(_GLOBALS, "Let the decoder attend to the global tokens too.")
    )
    global_init: GlobalInit | None = field(
        default=None,
        metadata=_shown(
            _GLOBALS,
            "Start of the global tokens after the first (which starts as BOS/CLS): the mask token at spread positions, "
            "or random like the word embeddings. Default: mask.",
        ),
    )
    global_positional_stride: int = field(
        default=64, metadata=_shown(_GLOBALS, "Distance of the positions that the global tokens start at.")
    )
    keep_first_global_token: bool = field(
        default=False,
        metadata=_shown(_GLOBALS, "For a source that is LSG already: keep its first global token as it is."),
    )
    seed: int = field(default=123, metadata=_shown(_GLOBALS, "Seed of --global-init random."))
    positions: Positions = field(
        default="tile",
        metadata=_shown(
            _OUTPUT,
            "How position embeddings are extended: tile repeats the table without its first row (which is BOS's), "
            "tile-all repeats all of it, as the published LSG models do; grouped and interpolate draw it out over the "
            "new positions, in steps and linearly; hierarchical repeats it, moved each time. Rows of the source stay. "
            "Of rotary positions: rope-keep (the default) leaves frequencies as they are, rope-ntk, rope-yarn and "
            "rope-linear change them for the new length.",
        ),
    )
    architecture: str | None = field(
        default=None,
        metadata=_shown(
            _OUTPUT, "Class to convert to, when the config does not name it or names another one, e.g. BertForMaskedLM."
        ),
    )
    dtype: Dtype = field(
        default="keep",
        metadata=_shown(
            _OUTPUT, "Type of the written weights: float32, float16, bfloat16, or fp32, fp16, bf16. Default: keep them."
        ),
    )
    output: Path | None = field(
        default=None, metadata=_shown(_OUTPUT, "Folder to write. Default: ./lsg-<name>-<max-len>.", "-o")
    )
    max_shard_size: str = field(
        default="5GB", metadata=_shown(_OUTPUT, "Weights above this size are split into several files.")
    )
    force: bool = field(
        default=False, metadata=_shown(_OUTPUT, "Replace an existing output folder, once the new one is complete.")
    )

    def __post_init__(self) -> None:
        """Check what can be checked without a source.

        Raises:
            RequestError: names the option, what was given and what is allowed.
        """
        if self.max_len is not None:
            _within("max-len", self.max_len, 1, MAX_MAX_LEN)
        _within("global-positional-stride", self.global_positional_stride, 1, MAX_MAX_LEN)
        _within("seed", self.seed, 0, 2**63 - 1)
        _among("dtype", self.dtype, get_args(Dtype))
        _among("global-init", self.global_init or "mask", get_args(GlobalInit))
        _among("positions", self.positions, get_args(Positions))
        self.max_shard_bytes()
        self.lsg_options({})

    def lsg_options(self, source_config: dict[str, Any]) -> LSGOptions:
        """The model's LSG options: those asked for, else those of an LSG source, else the defaults.

        Raises:
            RequestError: a rule of the configuration is broken.
        """
        values: dict[str, Any] = {}
        for name in (each.name for each in fields(LSGOptions)):
            asked = getattr(self, name, None)
            if asked is not None:
                values[name] = asked
            else:
                found = source_config.get(f"lsg_{name}", source_config.get(name))
                if found is not None:
                    values[name] = found
        try:
            options = LSGOptions(**values)
            options.validate()
        except (TypeError, ValueError) as error:
            raise RequestError(
                str(error), "Change the option that is named; `lsg-convert convert --help` explains them."
            ) from error
        return options

    def max_shard_bytes(self) -> int:
        """`max_shard_size` in bytes."""
        return parse_size(self.max_shard_size, "--max-shard-size", "5GB")


class ConvertKeywords(TypedDict, total=False):
    """The options as keyword arguments of `convert` and `inspect`: the names and types of `ConvertOptions`."""

    max_len: int | None
    block_size: int | None
    local_attention: LocalAttention | None
    attention_window: int | None
    sparse_block_size: int | None
    sparsity_factor: int | None
    sparsity_type: SparsityType | None
    adaptive: bool | None
    attention_backend: BackendName | None
    num_global_tokens: int | None
    automatic_globals: AutomaticGlobals | None
    mask_first_token: bool | None
    pool_with_global: bool | None
    pass_global_tokens_to_decoder: bool | None
    global_init: GlobalInit | None
    global_positional_stride: int
    keep_first_global_token: bool
    seed: int
    positions: Positions
    architecture: str | None
    dtype: Dtype
    output: str | Path | None
    max_shard_size: str
    force: bool


def dtype_named(name: str) -> str:
    """The dtype that another spelling (fp16, half, torch.bfloat16) means; the name as it is where it means none."""
    plain = name.lower().removeprefix("torch.")
    return _SPELLINGS.get(plain, plain)


def help_of(option: Field[Any]) -> str:
    """The help of a field of `ConvertOptions`, with the default of the model's configuration where that decides."""
    text = str(option.metadata["help"])
    default = getattr(LSGOptions, option.name, None)
    if default is None or "Default:" in text:
        return text
    shown = ("off", "on")[default] if isinstance(default, bool) else default
    return f"{text} Default: {shown}."


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise RequestError(f"--{name} is {_number(value)}; allowed is {low} to {high}.")


def _number(value: int) -> str:
    """A number, unless it is too long to be read."""
    return str(value) if abs(value) < 10**30 else "a number of more than 30 digits"


def _among(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise RequestError(f"--{name} is {value!r}; allowed are {', '.join(allowed)}.")
