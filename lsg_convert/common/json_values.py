"""JSON that somebody else wrote, parsed within bounds: what comes out can be walked, copied, written and printed.

Of a key that an object has twice the last counts, as in every other reader, unless the caller refuses it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

MAX_DEPTH = 64
MAX_PARTS = 4_000_000  # objects and lists; a vocabulary with scores has one for each of its words
MAX_DIGITS = 40  # "no limit" is 1000000000000000019884624838656 in many tokenizers

_STRING = re.compile(rb'"[^"]*"?')  # of a text without escapes
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))


def parse_json(data: bytes, unique_keys: bool = False) -> Any:
    """The value that `data` spells.

    Raises:
        ValueError: it is no JSON in UTF-8; or is nested deeper, has more parts or longer numbers than any sound file
            has; or holds what is not a number (NaN, Infinity) or half a character (a lone surrogate).
    """
    _check_nesting(data)
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique if unique_keys else None,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_no_constant,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if _SURROGATE.search(data):
        _check_text(value)
    return value


def is_text(value: str) -> bool:
    """Whether `value` can be written as UTF-8: no half of a surrogate pair is in it."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _check_nesting(data: bytes) -> None:
    """Before anything is built of it: brackets outside of strings are counted."""
    parts = data.count(b"[") + data.count(b"{")
    if parts <= MAX_DEPTH:
        return
    plain = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = _STRING.sub(b"", plain).translate(None, _NO_BRACKET)
    if brackets.count(b"[") + brackets.count(b"{") > MAX_PARTS:
        raise ValueError(f"it has more than {MAX_PARTS:,} parts")
    if max(accumulate(_steps(brackets)), default=0) > MAX_DEPTH:
        raise ValueError(f"it is nested too deeply, more than {MAX_DEPTH} levels")


def _steps(brackets: bytes) -> Iterable[int]:
    return (1 if bracket in b"[{" else -1 for bracket in brackets)


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has {len(digits):,} digits")
    return int(digits)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is beyond what a number can be")
    return number


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"'{twice}' is named twice")
    return result


def _check_text(value: Any) -> None:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += [*part.keys(), *part.values()]
        elif isinstance(part, list):
            waiting += part
        elif isinstance(part, str) and not is_text(part):
            raise ValueError("half a character in a text, a lone surrogate")
