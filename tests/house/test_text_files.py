"""Files hold the same bytes on every system: text has an encoding that is named, and plain newlines."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.house.source_tree import PACKAGE, parsed, source_files

NEEDED = {"read_text": {"encoding"}, "write_text": {"encoding", "newline"}}


def calls() -> Iterator[tuple[str, str, set[str]]]:
    """Where text is read or written whole, how, and what is said by name."""
    for path in source_files():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in NEEDED:
                given = {keyword.arg for keyword in node.keywords if keyword.arg}
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node.func.attr, given


def test_text_has_an_encoding_and_newlines_of_one_kind() -> None:
    found = list(calls())
    assert len(found) > 15
    assert not [place for place, kind, given in found if not NEEDED[kind] <= given]


def test_files_are_opened_as_bytes() -> None:
    """`open` without a mode would take the system's encoding."""
    modes = [
        (f"{path.relative_to(PACKAGE)}:{node.lineno}", node)
        for path in source_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
    ]
    wrong = []
    for place, node in modes:
        mode = node.args[1] if len(node.args) > 1 else None
        is_bytes = isinstance(mode, ast.Constant) and "b" in str(mode.value)
        if not is_bytes and "encoding" not in {keyword.arg for keyword in node.keywords}:
            wrong.append(place)
    assert not wrong
