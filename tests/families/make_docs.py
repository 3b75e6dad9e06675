"""Write `docs/families.md`: what can be converted, what a family costs, what `verify` measures on tiny checkpoints.

Run as `python -m tests.families.make_docs`; takes some minutes. With `--table` the figures stay as they are.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import lsg_convert
from lsg_convert import convert, verify
from lsg_convert.families import Family, listed_families
from tests.families.exactness import LENGTHS, measure
from tests.families.pairs import OPTIONS, SOURCE_LENGTH, TOLERANCE, Pair, make_pair
from tests.tiny import FAMILIES as TINY
from tests.tiny import make_pair as make_encoder_decoder

PACKAGE = Path(lsg_convert.__file__).parent
PAGE = PACKAGE.parent / "docs" / "families.md"
INTRODUCTION = """# Families

Written by `python -m tests.families.make_docs`; a test fails when the first table is not current.

Encoders get LSG attention, decoders stay the library's own. *Positions*: learned tables are repeated up to the new
length, sinusoids continue, relative positions reach any distance. *First token*: where inputs open with BOS or CLS,
global 0 is that token at position 0 and stands in for it in the rows that open so (`mask_first_token`); elsewhere a
conversion adds no globals unless it is asked to (`--num-global-tokens`), since they would change what the model
computes until they are trained. Sources that are long already (Longformer, LED) keep their attention and their length
([longformer.md](longformer.md)). *Lines*: what a family costs, its file in `families/` and its modeling
file.
"""
FIGURES = f"""
## Measured

Tiny random checkpoints of every family with tokenizers of their own kind, converted at defaults, float32, on a CPU.

*Exact*: from the tokenizer to every output, hidden states included, the largest difference between the converted model
and its source, two texts at a time of {", ".join(map(str, LENGTHS[:-1]))} and {LENGTHS[-1]} tokens, which is the dense
limit, alike long, and the second one shorter with padding on the right and on the left. *Size*: the largest number
among those outputs.

*By verify*: what `lsg-convert verify` measures, the largest difference from the source below the dense limit as shipped
and without globals, and the largest difference of the attention of any layer from its definition above it.
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
        always = (position for position in family.positions if position.is_used is None)
        kinds = sorted({position.kind for position in always})
        relative = family.global_bias or any(position.is_used for position in family.positions)
        kinds += ["rotary"] if family.rotary else ["relative"] if relative else []
        first = "global 0" if family.global_stands_in else "kept"
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
    """What was measured."""
    rows = [
        ["`model_type`", "exact", "size", "by verify, as shipped", "without globals", "attention above the dense limit"]
    ]
    for family in listed_families():
        with tempfile.TemporaryDirectory() as temporary:
            made = _make(family, Path(temporary))
            exact = measure(made)
            assert exact.difference <= TOLERANCE, f"{family.model_type}: {exact}"
            report = verify(made.folder, source=str(made.source_folder)).as_dict()
            checks = {check["name"]: check for check in report["checks"]}
            figures = [f"{exact.difference:.1e}", f"{exact.size:.1f}", *(_figure(checks, name) for name in _CHECKS)]
            rows.append([f"`{family.model_type}`", *figures])
    return table(rows)


_CHECKS = ("parity, as shipped", "parity, without globals", "attention by definition")


def _figure(checks: dict[str, dict[str, Any]], name: str) -> str:
    check = checks[name]
    assert check["status"] == "passed", check
    return f"{check['values']['max_abs']:.1e}"


def _make(family: Family, folder: Path) -> Pair:
    """A pair of the family with its usual head; of an encoder and a decoder of BERT, where it is a family of pairs."""
    if family.model_type in TINY:
        return make_pair(family.model_type, TINY[family.model_type].architecture, folder)
    source = make_encoder_decoder("bert", "bert", folder / "source", max_positions=SOURCE_LENGTH)
    result = convert(source, output=folder / "converted", verify=False, **OPTIONS)
    return Pair(family, next(iter(family.heads)), source, folder / "converted", result.plan)


def main(arguments: list[str]) -> None:
    """Write the page."""
    figures = (
        PAGE.read_text(encoding="utf-8").partition(FIGURES)[2] if "--table" in arguments else f"\n{figures_table()}"
    )
    PAGE.write_text(f"{INTRODUCTION}\n{families_table()}{FIGURES}{figures}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
