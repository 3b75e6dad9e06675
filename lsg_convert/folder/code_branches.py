"""Leaving out the branches of code that serve a part which is not in the file."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def without_branches(text: str, absent: set[str], where: str) -> str:
    """`text` without each `if` or `elif` whose condition uses a name that is `absent`.

    Raises:
        ValueError: what is left would need to be indented anew, or nothing would be left.
    """
    while absent:
        branch = next(_branches(ast.parse(text), absent), None)
        if branch is None:
            break
        text = _without(text, branch, where)
    return text


def _branches(tree: ast.AST, absent: set[str]) -> Iterator[ast.If]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If):
            names = {part.id for part in ast.walk(node.test) if isinstance(part, ast.Name)}
            if names & absent:
                yield node


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
    remaining = "\n".join(lines[:first] + lines[last:])
    try:
        ast.parse(remaining)
    except SyntaxError as error:
        raise ValueError(f"{where}: nothing is left where `{lines[first].strip()}` is left out") from error
    return remaining
