"""Values of JSON that somebody else wrote become typed ones, or are refused."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsg_convert.common.errors import RequestError
from lsg_convert.common.from_json import from_json
from lsg_convert.folder.record import parse_record


@dataclass(frozen=True)
class Part:
    name: str


@dataclass(frozen=True)
class Whole:
    count: int
    share: float
    kind: Literal["a", "b"]
    parts: tuple[Part, ...]
    sizes: dict[str, int]
    note: str | None = None
    anything: Any = None
    flags: tuple[bool, ...] = field(default=())


GOOD = {"count": 3, "share": 1, "kind": "a", "parts": [{"name": "x"}], "sizes": {"y": 2}, "unknown": []}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def test_every_kind_of_field() -> None:
    assert from_json(Whole, GOOD, "x.json") == Whole(3, 1, "a", (Part("x"),), {"y": 2})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"count": True}, "x.json: count is True, not a whole number."),
        ({"count": 1.0}, "x.json: count is 1.0, not a whole number."),
        ({"share": "1"}, "x.json: share is '1', not a number."),
        ({"kind": "c"}, "x.json: kind is 'c', not one of 'a', 'b'."),
        ({"kind": []}, "x.json: kind is [], not one of 'a', 'b'."),
        ({"parts": {}}, "x.json: parts is {}, not a list."),
        ({"parts": [{"name": None}]}, "x.json: parts[0]: name is None, not a text."),
        ({"parts": [{}]}, "x.json: parts[0] has no 'name'."),
        ({"sizes": [1]}, "x.json: sizes is [1], not an object."),
        ({"sizes": {"y": "2"}}, "x.json: sizes: y is '2', not a whole number."),
        ({"note": 5}, "x.json: note is 5, not a text."),
    ],
)
def test_what_is_of_another_kind_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError) as error:
        from_json(Whole, GOOD | change, "x.json")
    assert error.value.message == said


@settings(deadline=None)
@given(JSON, st.sampled_from(sorted(Whole.__dataclass_fields__)))
def test_any_value_gives_an_object_or_a_clean_error(value: Any, name: str) -> None:
    for candidate in (value, GOOD | {name: value}):
        assert _is_parsed_or_refused(candidate)


def _is_parsed_or_refused(value: Any) -> bool:
    try:
        return isinstance(from_json(Whole, value, "x.json"), Whole)
    except RequestError as error:
        return error.message.startswith("x.json")


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["source", "options", "lsg", "files", "family", "changes"]), JSON))
def test_a_record_of_any_shape_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        parse_record(value)
