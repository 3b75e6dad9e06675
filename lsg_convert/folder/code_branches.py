"""Leaving out the branches of code, and the entries of tables, that serve a part which is not in the file."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def without_branches(text: str, absent: set[str], where: str) -> str:
    """`text` without what needs a name that is `absent`: each `if` or `elif` whose condition uses it, each entry of a
    dictionary whose value does. Entries stand on lines of their own.

    Raises:
        ValueError: what is left would need to be indented anew, or nothing would be left.
    """
    while absent:
        tree = ast.parse(text)
        branch = next(_branches(tree, absent), None)
        lines = next(_entries(tree, absent), None)
        if branch is not None:
            text = _without(text, branch, where)
        elif lines is not None:
            text = _cut(text, *lines)
        else:
            break
    return text


def _branches(tree: ast.AST, absent: set[str]) -> Iterator[ast.If]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and _uses(node.test, absent):
            yield node


def _entries(tree: ast.AST, absent: set[str]) -> Iterator[tuple[int, int]]:
    """First and last line, from 0 and exclusive, of each entry."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is not None and _uses(value, absent):
                    yield key.lineno - 1, value.end_lineno or key.lineno


def _uses(node: ast.AST, absent: set[str]) -> bool:
    return any(isinstance(part, ast.Name) and part.id in absent for part in ast.walk(node))


def _cut(text: str, first: int, last: int) -> str:
    lines = text.splitlines()
    return "\n".join(lines[:first] + lines[last:])


def _without(text: str, branch: ast.If, where: str) -> str:
    lines = text.splitlines()
    first, last = branch.lineno - 1, branch.body[-1].end_lineno or 0
    is_head = lines[first].lstrip().startswith("if ")
    if is_head and branch.orelse:
        following = lines[last].lstrip()
        if not following.startswith("elif "):
            raise ValueError(f"{where}: `{lines[first].strip()}` cannot be left out, an else depends on it")
        indent = len(lines[last]) - len(following)
        lines[last] = " " * indent + following.removeprefix("el")
    remaining = _cut("\n".join(lines), first, last)
    try:
        ast.parse(remaining)
    except SyntaxError as error:
        raise ValueError(f"{where}: nothing is left where `{lines[first].strip()}` is left out") from error
    return remaining
