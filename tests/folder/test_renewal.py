"""Folders of an earlier form, the library's model_type and several code files, are renewed by converting them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from lsg_convert import convert
from lsg_convert.families import family_of
from tests.warm import lsg_convert

EARLIER = {"bert": "BertForMaskedLM", "t5": "T5ForConditionalGeneration"}


@pytest.fixture(params=EARLIER)
def earlier(request: pytest.FixtureRequest, checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder as lsg-convert wrote it before: it loads densely where the code is not trusted."""
    folder = tmp_path / "earlier"
    convert(checkpoint(request.param), output=folder, verify=False, max_len=256, block_size=16, sparse_block_size=16)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": request.param}))
    (folder / "lsg_attention.py").write_text("raise RuntimeError\n")
    return folder


def test_an_earlier_folder_is_renewed(earlier: Path, tmp_path: Path) -> None:
    done = lsg_convert(earlier, "--output", "renewed", "--json", cwd=tmp_path)
    assert done.code == 0, done.output
    renewed = tmp_path / "renewed"
    config = json.loads((renewed / "config.json").read_text())
    family = family_of(config)
    assert family is not None and config["model_type"] == family.lsg_model_type
    assert [path.name for path in renewed.glob("*.py")] == [f"{family.modeling_file}.py"]
    assert (config["block_size"], done.json["max_len"], done.json["is_lsg_source"]) == (16, 256, True)
    before, after = (load_file(folder / "model.safetensors") for folder in (earlier, renewed))
    assert before.keys() == after.keys() and all(before[name].equal(after[name]) for name in before)


def test_a_folder_of_today_is_a_source_too(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    convert(checkpoint("bert"), output=tmp_path / "one", verify=False, max_len=256, block_size=16, sparse_block_size=16)
    result = convert(tmp_path / "one", output=tmp_path / "two", max_len=512)
    assert result.plan.family.model_type == "bert" and result.plan.is_lsg_source
    assert json.loads((tmp_path / "two" / "config.json").read_text())["model_type"] == "lsg-bert"
