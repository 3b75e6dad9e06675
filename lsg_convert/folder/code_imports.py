"""The merged imports of a generated file, in the order and form that ruff gives them."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby

from lsg_convert.folder.code_module import Import

WIDTH = 120


def import_block(imports: Iterable[Import]) -> str:
    """Import statements: the standard library's, then everything else, each sorted."""
    plain: set[Import] = set()
    members: dict[str, set[Import]] = defaultdict(set)
    for item in imports:
        if item.name:
            members[item.module].add(item)
        else:
            plain.add(item)
    statements = [(_section(item.module), 0, item.module, _plain(item)) for item in plain]
    statements += [(_section(module), 1, module, _from(module, found)) for module, found in members.items()]
    groups = groupby(sorted(statements, key=lambda entry: (*entry[:2], entry[2].lower())), key=lambda entry: entry[0])
    return "\n\n".join("\n".join(entry[3] for entry in group) for _, group in groups)


def _section(module: str) -> int:
    top = module.partition(".")[0]
    return 0 if top == "__future__" else 1 if top in sys.stdlib_module_names else 2


def _plain(item: Import) -> str:
    return f"import {item.module}" + (f" as {item.bound}" if item.bound else "")


def _from(module: str, items: set[Import]) -> str:
    ordered = sorted(items, key=_order)
    names = [item.name + (f" as {item.bound}" if item.bound else "") for item in ordered]
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])


def _order(item: Import) -> tuple[int, list[tuple[int, str]], str, str]:
    """Constants before classes before functions; `T5` before `T10`, whatever their case."""
    name = item.name
    kind = 0 if len(name) > 1 and name.isupper() else 1 if name[0].isupper() else 2
    parts = (part for part in re.split(r"(\d+)", name.lower()) if part)
    return kind, [(int(part), "") if part.isdigit() else (-1, part) for part in parts], name, item.bound
