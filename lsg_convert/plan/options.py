"""What can be asked of a conversion."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.sizes import parse_size
from lsg_convert.modeling.lsg_options import LSGOptions

DEFAULT_MAX_LEN = 4096
MAX_MAX_LEN = 2**20
DTYPES = ("keep", "float32", "float16", "bfloat16")
GLOBAL_INITS = ("mask", "random")


@dataclass(frozen=True)
class ConvertOptions:
    """The options of a conversion; None where the source, or else the default, decides.

    The LSG fields are those of the model's configuration. `max_len` counts tokens without globals.
    """

    max_len: int | None = None
    output: Path | None = None
    block_size: int | None = None
    sparse_block_size: int | None = None
    sparsity_factor: int | None = None
    sparsity_type: str | None = None
    num_global_tokens: int | None = None
    adaptive: bool | None = None
    attention_backend: str | None = None
    mask_first_token: bool | None = None
    pool_with_global: bool | None = None
    pass_global_tokens_to_decoder: bool | None = None
    global_init: str | None = None
    global_positional_stride: int = 64
    keep_first_global_token: bool = False
    seed: int = 123
    positions: str = "tile"
    architecture: str | None = None
    dtype: str = "keep"
    max_shard_size: str = "5GB"
    force: bool = False

    def __post_init__(self) -> None:
        """Check what can be checked without a source.

        Raises:
            RequestError: names the option, what was given and what is allowed.
        """
        from lsg_convert.plan.positions import STRATEGIES

        if self.max_len is not None:
            _within("max-len", self.max_len, 1, MAX_MAX_LEN)
        _within("global-positional-stride", self.global_positional_stride, 1, MAX_MAX_LEN)
        _within("seed", self.seed, 0, 2**63 - 1)
        _among("dtype", self.dtype, DTYPES)
        _among("global-init", self.global_init or "mask", GLOBAL_INITS)
        _among("positions", self.positions, tuple(STRATEGIES))
        self.max_shard_bytes()
        self.lsg_options({})

    def lsg_options(self, source_config: dict[str, Any]) -> LSGOptions:
        """The model's LSG options: those asked for, else those of an LSG source, else the defaults.

        Raises:
            RequestError: a rule of the configuration is broken.
        """
        values: dict[str, Any] = {}
        for name in (field.name for field in fields(LSGOptions)):
            asked = getattr(self, name, None)
            if asked is not None:
                values[name] = asked
            elif source_config.get(name) is not None:
                values[name] = source_config[name]
        try:
            options = LSGOptions(**values)
            options.validate()
        except (TypeError, ValueError) as error:
            raise RequestError(
                str(error), "Change the option that is named; `lsg-convert --help` explains them."
            ) from error
        return options

    def max_shard_bytes(self) -> int:
        """`max_shard_size` in bytes."""
        return parse_size(self.max_shard_size, "--max-shard-size", "5GB")


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise RequestError(f"--{name} is {_shown(value)}; allowed is {low} to {high}.")


def _shown(value: int) -> str:
    """A number, unless it is too long to be read."""
    return str(value) if abs(value) < 10**30 else "a number of more than 30 digits"


def _among(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise RequestError(f"--{name} is {value!r}; allowed are {', '.join(allowed)}.")
