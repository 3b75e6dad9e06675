"""What can be asked of a conversion."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.modeling.lsg_options import LSGOptions

DEFAULT_MAX_LEN = 4096
MAX_MAX_LEN = 2**20
DTYPES = ("keep", "float32", "float16", "bfloat16")
GLOBAL_INITS = ("mask", "random")
_SIZE_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


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
        parse_size(self.max_shard_size)
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
        return parse_size(self.max_shard_size)


def parse_size(text: str) -> int:
    """Bytes in a size like `5GB`, `500MiB` or `1000000`.

    Raises:
        RequestError: it is not a size, or below 1 MB.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    unit = _SIZE_UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise RequestError(f"--max-shard-size {text!r} is not a size.", "Give a number with KB, MB or GB, like 5GB.")
    size = int(float(match[1]) * unit)
    if size < 1:
        raise RequestError(f"--max-shard-size {text!r} is too small: it must be at least one byte.")
    return size


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise RequestError(f"--{name} is {value}; allowed is {low} to {high}.")


def _among(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise RequestError(f"--{name} is {value!r}; allowed are {', '.join(allowed)}.")
