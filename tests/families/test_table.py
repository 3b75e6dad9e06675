"""The table of families: nothing without a test, nothing of the library's left out, no family named elsewhere."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from transformers.models.auto import modeling_auto

import lsg_convert
from lsg_convert.families import FAMILIES
from tests.families.make_docs import PAGE, families_table, family_lines
from tests.families.pairs import CASES, MODEL_TYPES, TOLERANCE, USUAL_FIRST
from tests.tiny import FAMILIES as TINY

PACKAGE = Path(lsg_convert.__file__).parent
MAPPINGS = (
    "MODEL_MAPPING_NAMES",
    "MODEL_FOR_PRETRAINING_MAPPING_NAMES",
    "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
    "MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES",
    "MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES",
    "MODEL_FOR_NEXT_SENTENCE_PREDICTION_MAPPING_NAMES",
)
LINES_A_FAMILY = 150
MEDIAN_LINES = 100


@pytest.mark.parametrize("model_type", list(FAMILIES))
def test_every_family_is_covered(model_type: str) -> None:
    assert model_type in TINY, "tests.tiny makes no checkpoint of it"
    assert TINY[model_type].architecture in FAMILIES[model_type].heads


def test_what_is_thinned_has_every_family_in_each_run() -> None:
    """And with `make test-all` every head."""
    assert [case.values for case in USUAL_FIRST] == CASES
    assert {case.values[0] for case in USUAL_FIRST if not case.marks} == {*FAMILIES}
    assert all([mark.name for mark in case.marks] in ([], ["product"]) for case in USUAL_FIRST)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_every_head_of_the_library_is_there(model_type: str) -> None:
    of_the_library = {
        name
        for mapping in MAPPINGS
        for name in [getattr(modeling_auto, mapping, {}).get(model_type)]
        if isinstance(name, str)
    }
    # T5's encoder alone has no place in these mappings; a family may have more heads, never fewer.
    assert of_the_library <= {*FAMILIES[model_type].heads}


@pytest.mark.parametrize("model_type", list(FAMILIES))
def test_modeling_classes(model_type: str) -> None:
    """Each class has our config class, and the Auto class that its head is loaded by."""
    family = FAMILIES[model_type]
    module = __import__(f"lsg_convert.modeling.{family.modeling_file}", fromlist=["*"])
    for auto_class, reference in family.auto_map().items():
        if auto_class == "AutoConfig":
            assert getattr(module, reference.rpartition(".")[2]).model_type == family.lsg_model_type
        found = getattr(module, reference.rpartition(".")[2])
        assert found._auto_class == auto_class
        if auto_class != "AutoConfig":
            assert found.config_class.__name__ == family.auto_map()["AutoConfig"].rpartition(".")[2]


def test_lines_a_family_costs() -> None:
    lines = family_lines()
    assert max(lines.values()) < LINES_A_FAMILY, {
        name: count for name, count in lines.items() if count >= LINES_A_FAMILY
    }
    assert sorted(lines.values())[len(lines) // 2] < MEDIAN_LINES


def test_the_docs_are_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert families_table() in page, "run: python -m tests.families.make_docs --table"
    rows = [line.strip("| ").split(" | ") for line in page.partition("## Measured")[2].splitlines() if "| `" in line]
    measured = {name.strip("`"): [float(figure) for figure in figures] for name, *figures in rows[1:]}
    assert set(measured) == set(family_lines()), "a family was not measured"
    for name, (exact, _, *differences) in measured.items():
        assert max(exact, *differences) <= TOLERANCE, name


def test_no_family_is_named_in_an_expression_elsewhere() -> None:
    """Outside their own files and the table, no string in the code is a family's model_type or class."""
    # Short names that users type are families' names by nature.
    own = {PACKAGE / "families", PACKAGE / "sources" / "aliases.py"}
    names = {*FAMILIES} | {head for family in FAMILIES.values() for head in family.heads}
    for path in PACKAGE.rglob("*.py"):
        if own & {path, *path.parents} or path.name.startswith("modeling_lsg_"):
            continue
        strings = {
            node.value
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not strings & names, path


def test_families_need_no_torch() -> None:
    import subprocess

    code = "import sys, lsg_convert.families; assert not {'torch', 'transformers'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parent)
