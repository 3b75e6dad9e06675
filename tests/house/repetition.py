"""Finding code that stands twice: the same lines, or statements of the same shape with other names and values."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

LENGTH = 6
_BLOCKS = ("body", "orelse", "finalbody", "handlers")
Place = tuple[Path, int, int]  # file, first line, last line


def same_lines(paths: Sequence[Path]) -> Iterator[tuple[Place, Place]]:
    """Pairs of places that share `LENGTH` lines or more.

    Blank lines, brackets alone, comments, imports, signatures and docstrings do not count.
    """
    files = {path: _code_lines(path) for path in paths}
    starts: dict[tuple[str, ...], list[tuple[Path, int]]] = defaultdict(list)
    for path, lines in files.items():
        for start in range(len(lines) - LENGTH + 1):
            starts[tuple(text for _, text in lines[start : start + LENGTH])].append((path, start))
    pairs = {pair for found in starts.values() for pair in pairwise(found)}
    for (one, first), (other, second) in sorted(pairs):
        size = LENGTH
        if ((one, first - 1), (other, second - 1)) in pairs or (one == other and second - first < LENGTH):
            continue  # inside a longer pair, or a line repeated over and over
        while ((one, first + size - LENGTH + 1), (other, second + size - LENGTH + 1)) in pairs:
            size += 1
        yield (
            (one, files[one][first][0], files[one][first + size - 1][0]),
            (other, files[other][second][0], files[other][second + size - 1][0]),
        )


def same_shape(paths: Sequence[Path]) -> Iterator[tuple[Place, Place]]:
    """Pairs of `LENGTH` lines or more, neighbouring statements or a branch, that differ in names and values only."""
    found: dict[tuple[str, ...], list[Place]] = defaultdict(list)
    for path in paths:
        for block in _blocks(ast.parse(path.read_text(encoding="utf-8"))):
            shapes = [(statement, _shape(statement)) for statement in block]
            for start in range(len(shapes)):
                for stop in range(start + 1, len(shapes) + 1):
                    first, last = shapes[start][0].lineno, shapes[stop - 1][0].end_lineno or 0
                    if last - first + 1 >= LENGTH and (stop > start + 1 or hasattr(shapes[start][0], "body")):
                        found[tuple(shape for _, shape in shapes[start:stop])].append((path, first, last))
                        break
    for places in found.values():
        yield from pairwise(places)


def _code_lines(path: Path) -> list[tuple[int, str]]:
    text = path.read_text(encoding="utf-8")
    skipped: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom) or _is_text(node):
            skipped |= set(range(node.lineno, (node.end_lineno or 0) + 1))  # type: ignore[attr-defined]
        elif isinstance(node, ast.FunctionDef):
            skipped |= set(range(node.lineno, node.body[0].lineno))
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if number not in skipped)
    return [(number, line) for number, line in lines if line.strip("()[]{},:") and not line.startswith("#")]


def _blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    """Every sequence of statements that do something: declarations, imports and docstrings are none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            continue
        for name in _BLOCKS:
            block = getattr(node, name, None)
            if isinstance(block, list):
                yield [
                    each for each in block if not isinstance(each, ast.Import | ast.ImportFrom) and not _is_text(each)
                ]


def _shape(statement: ast.AST) -> str:
    """A statement without its names, values and notes on types; attributes and keywords stay."""
    if isinstance(statement, ast.Name):
        return "_"
    if isinstance(statement, ast.Constant):
        return "0"
    parts = []
    for name, value in ast.iter_fields(statement):
        if name in ("annotation", "returns", "ctx", "type_comment") or (
            name in ("id", "name", "arg") and _local(statement)
        ):
            continue
        values = value if isinstance(value, list) else [value]
        parts += [_shape(each) if isinstance(each, ast.AST) else repr(each) for each in values]
    return f"{type(statement).__name__}({','.join(parts)})"


def _local(node: ast.AST) -> bool:
    return isinstance(node, ast.arg | ast.FunctionDef | ast.ExceptHandler)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
