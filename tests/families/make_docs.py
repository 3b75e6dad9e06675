"""Write `docs/families.md`: what can be converted, what a family costs, what `verify` measures on tiny checkpoints.

Run as `python -m tests.families.make_docs`; takes a minute or two. With `--table` the figures stay as they are.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import lsg_convert
from lsg_convert.families import Family, listed_families

PACKAGE = Path(lsg_convert.__file__).parent
PAGE = PACKAGE.parent / "docs" / "families.md"
INTRODUCTION = """# Families

Written by `python -m tests.families.make_docs`; a test fails when the first table is not current.

Encoders get LSG attention, decoders stay the library's own. *Positions*: learned tables are repeated up to the new
length, sinusoids continue, relative positions reach any distance. *First token*: where inputs open with BOS or CLS,
global 0 is that token at position 0 and stands in for it (`mask_first_token`); elsewhere token 0 is a word, nothing is
masked, and below the dense limit the model is exactly the source when its globals are muted
(`from_pretrained(..., num_global_tokens=0)`). *Lines*: what a family costs, its file in `families/` and its modeling
file.
"""
FIGURES = """
## Measured

`lsg-convert verify` on a tiny random checkpoint of every family, float32, on a CPU: the largest difference from the
source below the dense limit as shipped and without globals, and the largest difference of the attention of any
layer from its definition above it.
"""


def modeling_name(family: Family) -> str:
    """The family's name in file names."""
    return re.sub(r"^modeling_lsg_", "", family.modeling_file)


def family_lines() -> dict[str, int]:
    """Lines that each family costs: its file in `families/` and its modeling file."""
    return {
        family.model_type: sum(
            len((PACKAGE / file).read_text(encoding="utf-8").splitlines())
            for file in (f"families/{modeling_name(family)}.py", f"modeling/{family.modeling_file}.py")
        )
        for family in listed_families()
    }


def table(rows: list[list[str]]) -> str:
    """Rows as a Markdown table, the first one its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"


def families_table() -> str:
    """What can be converted."""
    rows = [["family", "`model_type`", "for example", "heads", "positions", "first token", "lines"]]
    lines = family_lines()
    for family in listed_families():
        heads = [head.auto_class.removeprefix("AutoModel").removeprefix("For") for head in family.heads.values()]
        kinds = sorted({"sinusoids" if position.sinusoid else "learned" for position in family.positions})
        kinds += ["relative"] if family.global_bias else []
        first = "global 0" if family.opens_with_bos and family.global_can_be_bos else "kept"
        if family.bos_tokenizers:
            first += f"; global 0 with {' or '.join(family.bos_tokenizers)}"
        rows.append(
            [
                family.title,
                f"`{family.model_type}`",
                f"`{family.example}`",
                ", ".join(head or "base" for head in heads),
                " and ".join(kinds) or "the encoder's",
                first,
                str(lines[family.model_type]),
            ]
        )
    summary = f"\n{len(lines)} families; median {median(lines.values()):.0f} lines, most {max(lines.values())}.\n"
    return table(rows) + summary


def figures_table() -> str:
    """What `verify` measures."""
    rows = [["`model_type`", "as shipped", "without globals", "attention above the dense limit"]]
    for name, checks in _verified():
        rows.append([f"`{name}`", *(_figure(checks, check) for check in _CHECKS)])
    return table(rows)


_CHECKS = ("parity, as shipped", "parity, without globals", "attention by definition")


def _figure(checks: dict[str, dict[str, Any]], name: str) -> str:
    check = checks[name]
    if check["status"] == "not run":
        return "–"
    assert check["status"] == "passed", check
    return f"{check['values']['max_abs']:.1e}"


def _verified() -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    from lsg_convert import convert, verify
    from tests.tiny import FAMILIES as TINY
    from tests.tiny import make_checkpoint, make_pair

    for name in [family.model_type for family in listed_families()]:
        with tempfile.TemporaryDirectory() as temporary:
            root = Path(temporary)
            if name in TINY:
                source = make_checkpoint(name, None, root / "source", max_positions=64)
            else:
                source = make_pair("bert", "bert", root / "source", max_positions=64)
            folder = root / "converted"
            convert(source, output=folder, max_len=256, block_size=16, sparse_block_size=16, verify=False)
            report = verify(folder, source=str(source)).as_dict()
            yield name, {check["name"]: check for check in report["checks"]}


def main(arguments: list[str]) -> None:
    """Write the page."""
    figures = (
        PAGE.read_text(encoding="utf-8").partition(FIGURES)[2] if "--table" in arguments else f"\n{figures_table()}"
    )
    PAGE.write_text(f"{INTRODUCTION}\n{families_table()}{FIGURES}{figures}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
