"""One module of `modeling/`, taken apart: its imports, and its definitions as they are written.

Text is never rewritten, only cut between top-level statements. What stands before a statement (comments, decorators) is
part of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from lsg_convert.folder.code_branches import without_branches

_BLOCKS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, order=True)
class Import:
    """`from module import name as bound`, or `import module` where `name` is empty."""

    module: str
    name: str
    bound: str


@dataclass(frozen=True)
class Definition:
    """A top-level statement that binds names. `gap`: the blank lines before it."""

    names: tuple[str, ...]
    text: str
    uses: frozenset[str]
    mentions: frozenset[str]  # in annotations only
    gap: int
    is_class: bool
    is_block: bool  # a class or a function

    def in_name_only(self) -> Definition:
        """The class without its content."""
        node = next(node for node in ast.parse(self.text).body if isinstance(node, ast.ClassDef))
        first = (ast.get_docstring(node) or node.name).splitlines()[0]
        text = f'class {node.name}:\n    """{first}\n\n    Nothing here makes one: it is here by name only.\n    """'
        return replace(self, text=text, uses=frozenset(), mentions=frozenset())


@dataclass(frozen=True)
class Module:
    """A module: what it imports from outside, by bound name, and from its neighbours; and what it defines."""

    name: str
    doc: str
    imports: dict[str, Import]
    neighbours: dict[str, str]  # name → module it comes from
    definitions: tuple[Definition, ...]


@lru_cache(maxsize=256)
def read_module(folder: Path, name: str, left_out: frozenset[str]) -> Module:
    """Take `folder/name.py` apart, without the branches that ask modules which are `left_out`.

    Raises:
        ValueError: it holds what cannot be merged into one file, says what and where.
    """
    text = (folder / f"{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    imports, neighbours = _imports(name, tree)
    absent = {bound for bound, module in neighbours.items() if module in left_out}
    return Module(
        name, ast.get_docstring(tree) or "", imports, neighbours, tuple(_definitions(name, tree, text, absent))
    )


def _imports(name: str, tree: ast.Module) -> tuple[dict[str, Import], dict[str, str]]:
    imports: dict[str, Import] = {}
    neighbours: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                imports[bound] = Import(alias.name, "", alias.asname or "")
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                imports[alias.asname or alias.name] = Import(node.module or "", alias.name, alias.asname or "")
        elif isinstance(node, ast.ImportFrom):
            renamed = any(alias.asname or alias.name == "*" for alias in node.names)
            if node.level > 1 or not node.module or "." in node.module or renamed:
                raise ValueError(f"{name}.py, line {node.lineno}: imports of neighbours are `from .module import name`")
            neighbours |= {alias.name: node.module for alias in node.names}
    return imports, neighbours


def _definitions(name: str, tree: ast.Module, text: str, absent: set[str]) -> Iterator[Definition]:
    lines = text.splitlines()
    end = 0
    for node in tree.body:
        start, end = end, node.end_lineno or 0
        if isinstance(node, ast.Import | ast.ImportFrom) or _is_docstring(node):
            continue
        names = _bound_names(node)
        if names is None:
            raise ValueError(f"{name}.py, line {node.lineno}: only imports, definitions and assignments can be merged")
        if names == ("__all__",):
            continue
        gap = next(i for i, line in enumerate(lines[start:end]) if line.strip())
        written = "\n".join(lines[start + gap : end])
        cut = without_branches(written, absent, f"{name}.py")
        found = _names(node if cut == written else ast.parse(cut))
        yield Definition(names, cut, *found, gap, isinstance(node, ast.ClassDef), isinstance(node, _BLOCKS))


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _bound_names(node: ast.stmt) -> tuple[str, ...] | None:
    """What a statement defines; None for a kind of statement that does more, or something else."""
    if isinstance(node, _BLOCKS):
        return (node.name,)
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    parts = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    names = tuple(part.id for part in parts if isinstance(part, ast.Name))
    return names if names and len(names) == len(parts) else None


def _names(code: ast.AST) -> tuple[frozenset[str], frozenset[str]]:
    """The names in code: those that it needs when it runs (some are local), and those that only annotations mention."""
    used: set[str] = set()
    mentioned: set[str] = set()

    def collect(node: ast.AST, names: set[str]) -> None:
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif names is mentioned and isinstance(node, ast.Constant) and isinstance(node.value, str):
            collect(ast.parse(node.value, mode="eval"), mentioned)
        for field, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    collect(child, mentioned if field in ("annotation", "returns") else names)

    collect(code, used)
    return frozenset(used), frozenset(mentioned - used)
