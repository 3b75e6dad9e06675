"""Checkpoints that the published converter made give the same logits here: see `make_golden.py`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from lsg_convert import convert
from tests.golden.make_golden import COLUMNS, LENGTHS, MAX_LEN, MODEL_TYPES, ROWS, cases
from tests.tiny import FAMILIES
from tests.tiny_tokenizers import write_tokenizer

HERE = Path(__file__).parent
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def rewritten(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Return what converts a published folder, once: its weights and its outputs are to stay."""
    made: dict[str, Any] = {}

    def rewrite(model_type: str) -> Any:
        if model_type not in made:
            root = tmp_path_factory.mktemp(model_type)
            published = root / "published"
            shutil.copytree(HERE / model_type, published)
            (published / "cases.safetensors").unlink()
            write_tokenizer(FAMILIES[model_type].tokenizer, published, MAX_LEN)
            made[model_type] = convert(published, output=root / "rewritten", verify=False)
        return made[model_type]

    return rewrite


@torch.no_grad()
@pytest.mark.parametrize("case", list(cases()))
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_logits(rewritten: Callable[[str], Any], model_type: str, case: str) -> None:
    golden = load_file(HERE / model_type / "cases.safetensors")
    with safe_open(HERE / model_type / "cases.safetensors", "pt") as file:
        assert json.loads(file.metadata()["options"])[case] == cases()[case]
    model, _ = rewritten(model_type).load(**cases()[case])
    for length in LENGTHS:
        names = ("input_ids", "attention_mask", "decoder_input_ids")
        inputs = {name: golden[f"{length}.{name}"].long() for name in names if f"{length}.{name}" in golden}
        logits = model(**inputs).logits[:, ROWS, COLUMNS]
        difference = (logits - golden[f"{length}.{case}"]).abs().max().item()
        assert difference <= TOLERANCE, f"{difference:.2e} at {length} tokens"


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_weights_stay(rewritten: Callable[[str], Any], model_type: str) -> None:
    """The published folder keeps its length, its globals and every bit of its weights."""
    result = rewritten(model_type)
    assert (result.plan.is_lsg_source, result.plan.max_len, result.plan.global_init) == (True, MAX_LEN, "keep")
    before = load_file(HERE / model_type / "model.safetensors")
    after = load_file(result.output / "model.safetensors")
    assert {name for name in before if name not in after} <= set(result.plan.dropped)
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())


@torch.no_grad()
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_longer(rewritten: Callable[[str], Any], tmp_path: Path, model_type: str) -> None:
    """A published model can be made longer still: old rows and short inputs stay as they are."""
    old = rewritten(model_type)
    published = old.output.parent / "published"
    result = convert(published, output=tmp_path / "longer", max_len=2 * MAX_LEN, verify=False)
    model, _ = result.load()
    assert result.plan.lsg == old.plan.lsg
    before, after = load_file(old.output / "model.safetensors"), load_file(result.output / "model.safetensors")
    for name, tensor in before.items():
        assert torch.equal(after[name][: len(tensor)], tensor), name
    inputs = {"input_ids": torch.randint(10, 90, (1, 2 * MAX_LEN))}
    if old.plan.family.is_seq2seq:
        inputs["decoder_input_ids"] = inputs["input_ids"][:, :4]
    assert torch.isfinite(model(**inputs).logits).all()
