"""From JSON that somebody else wrote to typed values: a dataclass says what is allowed, all else is refused."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import lru_cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable

T = TypeVar("T")
_NAMES: dict[Any, str] = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def from_json(kind: type[T], value: Any, where: str) -> T:
    """`value`, parsed JSON, as an object of the dataclass `kind`; `where` names it in errors.

    Fields may be str, int, float, bool, Any, Literal, dataclasses, tuple[X, ...], dict[str, X] and X | None. Keys that
    `kind` does not know are left out, as a later version may have written them.

    Raises:
        RequestError: a field is missing or of another kind.
    """
    if not isinstance(value, Mapping):
        raise _wrong(where, value, "an object")
    hints = _hints(cast(Any, kind))
    known: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name in value:
            known[field.name] = _convert(hints[field.name], value[field.name], f"{where}: {field.name}")
        elif field.init and not _has_default(field):
            raise RequestError(f"{where} has no {field.name!r}.")
    return kind(**known)


def _convert(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        (wanted,) = (argument for argument in arguments if argument is not type(None))
        return None if value is None else _convert(wanted, value, where)
    if origin is Literal:
        if value not in arguments or type(value) is not type(arguments[arguments.index(value)]):
            raise _wrong(where, value, f"one of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong(where, value, "a list")
        return tuple(_convert(arguments[0], item, f"{where}[{number}]") for number, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise _wrong(where, value, "an object")
        return {key: _convert(arguments[1], item, f"{where}: {printable(key, 60)}") for key, item in value.items()}
    if is_dataclass(kind):
        return from_json(cast(type, kind), value, where)
    allowed = (int, float) if kind is float else (kind,)
    if type(value) not in allowed:
        raise _wrong(where, value, _NAMES[kind])
    return value


@lru_cache(maxsize=32)
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _wrong(where: str, value: Any, expected: str) -> RequestError:
    return RequestError(f"{where} is {printable(repr(value), 60)}, not {expected}.")
