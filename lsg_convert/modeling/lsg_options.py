"""The options of LSG attention, as they stand in a model's configuration."""

import warnings
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

MAX_GLOBAL_TOKENS = 512
SparsityType = Literal["norm", "pooling", "bos_pooling", "lsh", "stride", "block_stride", "none"]
SPARSITY_TYPES: tuple[SparsityType, ...] = get_args(SparsityType)
PUBLISHED_PREFIX = "lsg"  # `base_model_prefix` in configurations made by lsg-converter
LEFT_OUT: tuple[str, ...] = ()  # a folder's code says here which values of options it does not have the code for
LSG_CODE = ""  # and here which code it is, by its content; the folder's configuration names it too
BackendName = Literal["auto", "sdpa", "flex", "cpp"]
ATTENTION_BACKENDS: tuple[BackendName, ...] = get_args(BackendName)
LocalAttention = Literal["block", "sliding"]
LOCAL_ATTENTIONS: tuple[LocalAttention, ...] = get_args(LocalAttention)
AutomaticGlobals = Literal["none", "first", "question", "choice", "ends"]
AUTOMATIC_GLOBALS: tuple[AutomaticGlobals, ...] = get_args(AutomaticGlobals)
SEPARATED: tuple[AutomaticGlobals, ...] = ("question", "choice")  # rules that go by separators
LEAST = {
    "block_size": 1,
    "sparse_block_size": 0,
    "sparsity_factor": 0,
    "lsh_num_pre_rounds": 0,
    "num_random_blocks": 0,
}


def option_field(config: Any, name: str) -> str:
    """What a configuration calls an option: with `lsg_` before it where the library has another field of this name."""
    return f"lsg_{name}" if hasattr(config, f"lsg_{name}") else name


@dataclass(frozen=True)
class LSGOptions:
    """How LSG attention is laid out: what a block of queries attends to, and how the sparse tokens are made.

    block_size: queries that share one window, and a third of the tokens in it; of ``sliding`` attention only what is
        computed at once.
    sparse_block_size: sparse tokens on each side of the local tokens.
    sparsity_factor: tokens per sparse token.
    sparsity_type: how tokens become sparse tokens, see `lsg_selection`.
    opening_token_id: the token that inputs open with (BOS, CLS) and global 0 is made of. Global 0 stands in for token 0
        only in rows that open with it; None: in every row, as in published models.
    num_global_tokens: learned tokens in front, which attend to all and are attended to by all.
    lsh_num_pre_rounds: hashing rounds that merge near-duplicates first (``lsh`` only).
    adaptive: pad inputs to whole blocks instead of refusing them.
    unpad_inputs: run rows of about one length together, without the padding behind them; their outputs are zeros there.
    mask_first_token: no query attends to token 0, for which global 0 stands in.
    pool_with_global: the output at token 0 is that of global 0.
    pass_global_tokens_to_decoder: the decoder attends to the globals too.
    attend_masked_runs: ``bos_pooling`` keeps sparse tokens made of padding only, as checkpoints made by lsg-converter
        are used to; outputs then depend on the padding.
    attention_backend: ``sdpa``; ``flex``, for GPUs; ``cpp``, which needs a C++ compiler, for float32 on CPUs, with SDPA
        for the rest; or ``auto``: the one that is known to be fast on the device at hand and needs nothing.
    local_attention: ``block``: a token attends to its block and both neighbours. ``sliding``: to itself and half a
        window of tokens on each side, as Longformer does.
    attention_window: the windows of ``sliding`` attention, even numbers: one of each layer, or one for all. None: two
        blocks.
    automatic_globals: which tokens of the input are global where the caller marks none: ``first``; ``question``, those
        before the first separator; ``choice``, those of the text behind it; ``none``. With ``ends`` those of the first
        and the last block are, and what the caller marks, as in BigBird.
    separator_token_id, num_separators: the separator of two texts, and how many of them tokenizer(text, text) sets.
    num_random_blocks: with ``ends``, how many times more the first block counts among the keys of tokens that are not
        global; and the more of them, the longer inputs are that get full attention.
    """

    block_size: int = 128
    sparse_block_size: int = 128
    sparsity_factor: int = 2
    sparsity_type: str = "norm"
    num_global_tokens: int = 1
    lsh_num_pre_rounds: int = 1
    adaptive: bool = True
    unpad_inputs: bool = False
    mask_first_token: bool = True
    pool_with_global: bool = True
    pass_global_tokens_to_decoder: bool = True
    attention_backend: str = "auto"
    attend_masked_runs: bool = False
    opening_token_id: int | None = None
    local_attention: str = "block"
    attention_window: tuple[int, ...] | None = None
    automatic_globals: str = "none"
    separator_token_id: int | None = None
    num_separators: int | None = None
    num_random_blocks: int = 0

    def __post_init__(self) -> None:
        """Take whole numbers that JSON wrote as 2.0 for what they are; `validate` refuses other numbers and types."""
        for field in fields(self):
            value = getattr(self, field.name)
            if type(field.default) is int and isinstance(value, float) and value.is_integer():
                object.__setattr__(self, field.name, int(value))
        window = self.attention_window
        if isinstance(window, int | list):  # as configurations have it
            object.__setattr__(self, "attention_window", (window,) if isinstance(window, int) else tuple(window))

    @classmethod
    def from_config(cls, config: Any) -> "LSGOptions":
        """Read the options from a model configuration; fields that it lacks take their defaults."""
        values: dict[str, Any] = {
            field.name: getattr(config, option_field(config, field.name), field.default) for field in fields(cls)
        }
        if not hasattr(config, "lsh_num_pre_rounds"):  # published model cards spell it otherwise
            values["lsh_num_pre_rounds"] = getattr(config, "lsg_num_pre_rounds", cls.lsh_num_pre_rounds)
        if values["sparsity_type"] is None:
            values["sparsity_type"] = "none"
        if getattr(config, "attend_masked_runs", None) is None:
            values["attend_masked_runs"] = getattr(config, "base_model_prefix", None) == PUBLISHED_PREFIX
        if LSG_CODE and getattr(config, "lsg_code", LSG_CODE) != LSG_CODE:
            warnings.warn(
                "This folder came with other code than what runs: transformers 5.5 and later take that of the first "
                "folder of a kind that a process loads: load this one in a process of its own.",
                stacklevel=2,
            )
        options = cls(**values)
        options.validate()
        return options

    @property
    def has_sparse(self) -> bool:
        """Whether there are sparse tokens at all."""
        return self.sparsity_type != "none" and self.sparse_block_size > 0 and self.sparsity_factor > 0

    @property
    def global_has_position(self) -> bool:
        """Whether global 0 is known to be the opening token, and so has its position, 0."""
        return self.opening_token_id is not None and self.mask_first_token and self.num_global_tokens > 0

    @property
    def step(self) -> int:
        """Sparse tokens per block."""
        return self.block_size // self.sparsity_factor

    @property
    def segment_length(self) -> int:
        """Tokens among which ``norm`` chooses and ``lsh`` hashes."""
        return min(self.block_size, self.sparse_block_size)

    @property
    def dense_limit(self) -> int:
        """Up to this many tokens, every query attends to every key."""
        if self.local_attention == "sliding":
            return 1 + min(self._half_windows)
        return (5 + 2 * self.num_random_blocks if self.has_global_ends else 2) * self.block_size

    @property
    def has_global_ends(self) -> bool:
        """Whether the first and the last block are global, in sequences above the dense limit."""
        return self.automatic_globals == "ends"

    def half_window(self, layer: int) -> int | None:
        """How many tokens on each side a token of a layer attends to; None where it attends to blocks."""
        if self.local_attention == "block":
            return None
        return self._half_windows[layer % len(self._half_windows)]

    @property
    def _half_windows(self) -> tuple[int, ...]:
        windows = self.attention_window or (2 * self.block_size,)
        return tuple(window // 2 for window in windows)

    def validate(self, num_heads: int | None = None) -> None:
        """Check every rule; with num_heads also what depends on the model.

        Raises:
            ValueError: names the field, its value and the rule.
        """
        kinds = {int: "must be a whole number", bool: "must be true or false", str: "must be a text"}
        for field in fields(self):
            if field.name == "attention_window":
                continue
            value, kind = getattr(self, field.name), int if field.default is None else type(field.default)
            is_absent = value is None and field.default is None
            self._require(is_absent or type(value) is kind, field.name, kinds[kind])
        for name, least in LEAST.items():
            self._require(getattr(self, name) >= least, name, f"must be at least {least}")
        some = 0 <= self.num_global_tokens <= MAX_GLOBAL_TOKENS
        self._require(some, "num_global_tokens", f"must be 0 to {MAX_GLOBAL_TOKENS}")
        choices: tuple[tuple[str, tuple[str, ...]], ...] = (
            ("sparsity_type", SPARSITY_TYPES),
            ("attention_backend", ATTENTION_BACKENDS),
            ("automatic_globals", AUTOMATIC_GLOBALS),
            ("local_attention", LOCAL_ATTENTIONS),
        )
        for name, allowed in choices:
            value = getattr(self, name)
            self._require(value in allowed, name, f"must be one of {allowed}")
            remedy = f"`lsg-convert FOLDER --{name.replace('_', '-')} {value}` writes a folder that has"
            self._require(value not in LEFT_OUT, name, f"this folder has no code for it; {remedy}")
        together = not (self.has_global_ends and self.local_attention == "sliding")
        self._require(together, "automatic_globals", "blocks at the ends go with local_attention='block' only")
        alone = not (self.unpad_inputs and (self.has_global_ends or self.attend_masked_runs))
        self._require(alone, "unpad_inputs", "what this model computes of a row depends on its padding")
        windows, rule = self.attention_window, "must be even numbers above 0, one a layer or one for all"
        even = windows is None or all(type(each) is int and each > 0 and each % 2 == 0 for each in windows)
        self._require(even and windows != (), "attention_window", rule)
        if not self.has_sparse:
            return
        if self.local_attention == "sliding":
            whole = all(half % self.block_size == 0 for half in self._half_windows)
            apart = (
                f"sparse tokens begin where a window ends: it must be a multiple of 2 * block_size={self.block_size}"
            )
            self._require(whole, "attention_window", f"{apart}, or sparsity_type 'none'")
        block, factor, segment = self.block_size, self.sparsity_factor, self.segment_length
        self._require(block % factor == 0, "sparsity_factor", f"must divide block_size={block}")
        if self.sparsity_type in ("norm", "lsh") and factor > 1:
            here = f"with sparsity_type={self.sparsity_type!r}"
            fits = f"must divide block_size={block} or exceed it {here}"
            self._require(block % segment == 0, "sparse_block_size", fits)
            self._require(
                segment % factor == 0, "sparse_block_size", f"must be a multiple of sparsity_factor={factor} {here}"
            )
        if self.sparsity_type in ("stride", "block_stride") and num_heads is not None and factor > num_heads:
            lost = f"with sparsity_type={self.sparsity_type!r} some tokens are among no head's sparse tokens."
            warnings.warn(f"sparsity_factor={factor} exceeds the {num_heads} attention heads: {lost}", stacklevel=2)

    def _require(self, holds: bool, name: str, rule: str) -> None:
        if not holds:
            raise ValueError(f"{name}={getattr(self, name)!r}: {rule}.")
