"""Sizes as users write and read them."""

from __future__ import annotations

import re
from fractions import Fraction

from lsg_convert.common.errors import RequestError

_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40
}  # fmt: skip
_DIGITS = 30
_SHOWN = ("B", "kB", "MB", "GB", "TB")


def parse_size(text: str | int, option: str, example: str) -> int:
    """Bytes in a size like `5GB`, `500MiB` or `1000000`.

    Raises:
        RequestError: it is not a size, or less than a byte; names `option`, and gives `example`.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(text)[: 2 * _DIGITS], re.ASCII)
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None or len(match[1]) > _DIGITS:
        raise RequestError(
            f"{option} '{str(text)[:60]}' is not a size.", f"Give a number with KB, MB or GB, like {example}."
        )
    size = int(Fraction(match[1]) * unit)
    if size < 1:
        raise RequestError(f"{option} '{str(text)[:60]}' is too small: it must be at least one byte.")
    return size


def size_text(size: float) -> str:
    """A number of bytes as people read it."""
    unit = 0
    while size >= 999.5 and unit < len(_SHOWN) - 1:
        size /= 1000
        unit += 1
    return f"{size:.0f} {_SHOWN[unit]}" if unit == 0 or size >= 99.95 else f"{size:.1f} {_SHOWN[unit]}"
