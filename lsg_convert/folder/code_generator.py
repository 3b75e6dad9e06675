"""One file out of modules that import each other, with what the first of them needs and nothing else.

Modules become sections, in an order in which each rests on those before it. Their text stays as it is written.
"""

from __future__ import annotations

import builtins
import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lsg_convert.folder.code_imports import WIDTH, import_block
from lsg_convert.folder.code_module import Definition, Import, Module, read_module

_RULE = "# " + "-" * (WIDTH - 2)


@dataclass
class Sources:
    """The modules of a folder, read when they are needed; `constants` get other values than they have there."""

    folder: Path
    left_out: Collection[str] = ()
    constants: Mapping[str, str] = field(default_factory=dict)
    _read: dict[str, Module] = field(default_factory=dict)

    def module(self, name: str) -> Module:
        """A module by its name."""
        if name not in self._read:
            self._read[name] = read_module(self.folder, name, frozenset(self.left_out))
        return self._read[name]

    def origin(self, module: str, name: str) -> tuple[str, Definition] | Import | None:
        """Where a name in a module comes from: a definition here, an import from outside; None for all else.

        Raises:
            ValueError: it comes from a module that is left out.
        """
        found = self.module(module)
        if name in found.neighbours:
            neighbour = found.neighbours[name]
            if neighbour in self.left_out:
                raise ValueError(f"{module}.py uses {name} of {neighbour}.py, which is left out")
            origin = self.origin(neighbour, name)
            if origin is None:
                raise ValueError(f"{module}.py imports {name}, which {neighbour}.py does not define")
            return origin
        for definition in found.definitions:
            if name in definition.names:
                return module, definition
        return found.imports.get(name)


@dataclass(frozen=True)
class Generated:
    """A file's parts: the modules in their order, the imports, the definitions that stand before all sections."""

    modules: tuple[str, ...]
    imports: str
    body: str


def generate(sources: Sources, roots: Iterable[tuple[str, str]]) -> Generated:
    """The definitions `roots`, (module, name), and all that they reach.

    Raises:
        ValueError: two definitions have one name, or the modules cannot be merged.
    """
    kept, imports = _reach(sources, roots)
    _check_names(kept, imports)
    order = _in_order(sources, kept)
    shared = _shared(kept)
    sections = [_text_of(list(shared.values()), sources)] if shared else []
    for name in order:
        own = [definition for definition in kept[name] if definition.text not in shared]
        if own:
            sections.append(_section(sources.module(name), own, sources))
    return Generated(tuple(order), import_block(imports), "\n\n\n".join(sections))


def _reach(sources: Sources, roots: Iterable[tuple[str, str]]) -> tuple[dict[str, list[Definition]], dict[Import, str]]:
    """Module → definitions that are reached, in their order there; and imports → a module that needs them.

    Of a class that only annotations mention, the name is kept and not the content.
    """
    whole: dict[tuple[str, str], Definition] = {}
    in_name: dict[tuple[str, str], Definition] = {}
    imports: dict[Import, str] = {}
    pending, mentioned = list(roots), list[tuple[str, str]]()
    while pending or mentioned:
        runs = bool(pending)  # all that runs comes first: what is left then is only mentioned
        user, name = (pending if runs else mentioned).pop()
        origin = sources.origin(user, name)
        if isinstance(origin, Import):
            imports[origin] = user
        elif origin is not None:
            module, definition = origin
            key = module, definition.names[0]
            if definition.is_class and not runs:
                in_name[key] = definition
            elif key not in whole:
                whole[key] = definition
                pending += [(module, used) for used in definition.uses]
                mentioned += [(module, used) for used in definition.mentions]
    found = {key: definition.in_name_only() for key, definition in in_name.items() if key not in whole} | whole
    modules = {module for module, _ in found}
    return {
        module: [
            found[module, definition.names[0]]
            for definition in sources.module(module).definitions
            if (module, definition.names[0]) in found
        ]
        for module in sorted(modules)
    }, imports


def _check_names(kept: Mapping[str, list[Definition]], imports: Mapping[Import, str]) -> None:
    """Raises ValueError where one name means two things."""
    named: list[tuple[str, object, str]] = [
        (name, definition.text, module)
        for module, definitions in kept.items()
        for definition in definitions
        for name in definition.names
    ]
    meanings: dict[str, tuple[object, str]] = {}
    for name, meaning, module in [*(_imported(*entry) for entry in imports.items()), *named]:
        before, elsewhere = meanings.setdefault(name, (meaning, module))
        if before != meaning:
            raise ValueError(f"{name} is one thing in {elsewhere} and another in {module}: rename one of them")
        if hasattr(builtins, name):
            raise ValueError(f"{module} calls something {name}, as Python does: rename it")


def _imported(item: Import, module: str) -> tuple[str, object, str]:
    """The name that an import binds, and what it means; `import a.b` and `import a.c` both mean `a`."""
    top = item.module.partition(".")[0]
    whole = not item.name and not item.bound
    return item.bound or item.name or top, top if whole else (item.module, item.name), module


def _in_order(sources: Sources, kept: Mapping[str, object]) -> list[str]:
    """The modules, each behind those that it imports: mechanism, encoder, style, family."""
    depths: dict[str, int] = {}

    def depth(name: str, above: tuple[str, ...] = ()) -> int:
        if name in above:
            raise ValueError(f"these modules import each other: {', '.join(above[above.index(name) :])}")
        if name not in depths:
            depths[name] = 1 + max((depth(other, (*above, name)) for other in needed(name)), default=0)
        return depths[name]

    def needed(name: str) -> list[str]:
        return sorted({other for other in sources.module(name).neighbours.values() if other in kept})

    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            for other in sorted(needed(name), key=lambda other: (-depth(other), other)):
                visit(other)
            order.append(name)

    for name in sorted(kept, key=lambda name: (-depth(name), name)):
        visit(name)
    return order


def _shared(kept: Mapping[str, list[Definition]]) -> dict[str, Definition]:
    """By their text, definitions that several modules have in the same words, as `logger`: they are needed once."""
    found = Counter(text for definitions in kept.values() for text in {definition.text for definition in definitions})
    every = (definition for _, definitions in sorted(kept.items()) for definition in definitions)
    return {definition.text: definition for definition in every if found[definition.text] > 1}


def _section(module: Module, definitions: list[Definition], sources: Sources) -> str:
    title = module.doc.splitlines()
    comment = [_RULE, *(f"# {line}".rstrip() for line in _wrapped(module.name, title))]
    return "\n".join(comment) + "\n\n\n" + _text_of(definitions, sources)


def _wrapped(name: str, doc: list[str]) -> list[str]:
    """The module's docstring, its paragraphs filled anew: as a comment they are indented."""
    paragraphs = "\n".join([f"{name}: {doc[0]}", *doc[1:]]).split("\n\n") if doc else [name]
    lines: list[str] = []
    for paragraph in paragraphs:
        lines += [""] if lines else []
        if paragraph.startswith(" "):
            lines += paragraph.splitlines()
        else:
            lines += textwrap.wrap(paragraph, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return lines


def _text_of(definitions: list[Definition], sources: Sources) -> str:
    parts: list[str] = []
    before: Definition | None = None
    for definition in definitions:
        text = definition.text
        for name in definition.names:
            if name in sources.constants:
                text = f"{text.partition(' = ')[0]} = {sources.constants[name]}"
        if before is not None:
            apart = definition.is_block or before.is_block
            parts.append("\n" * (3 if apart else 1 + min(definition.gap, 1)))
        parts.append(text)
        before = definition
    return "".join(parts)
