"""The model card: its usage code runs, its metadata is the source's, nothing in it is made up."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lsg_convert import convert
from lsg_convert.folder.figures import (
    GLOBAL,
    LOCAL,
    NOTHING,
    SPARSE,
    attention_pattern,
    draw_attention,
    draw_verification,
)
from lsg_convert.modeling.lsg_options import LSGOptions
from tests.command import python
from tests.tiny import make_checkpoint
from tests.verify.conftest import OPTIONS, Converted

HEADS = [
    ("bert", "BertForMaskedLM"),
    ("bert", "BertForMultipleChoice"),
    ("roberta", "RobertaForTokenClassification"),
    ("bart", "BartModel"),
    ("bart", "BartForConditionalGeneration"),
    ("t5", "T5Model"),
]
CARD = """---
license: cc-by-4.0
language:
- en
datasets:
- squad
tags:
- sentence-similarity
base_model: somebody/else
widget:
- text: hello
---
# Source
"""


def metadata(folder: Path) -> dict:
    return yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---")[1])


def test_usage_code_runs(converted: Callable[..., Converted]) -> None:
    parts = []
    for model_type, architecture in HEADS:
        folder = converted(model_type, architecture).folder
        code = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
        assert len(code) == 1
        parts.append(f"os.chdir({str(folder)!r})\n{code[0]}")
    done = python("import os\n" + "\n".join(parts), cwd=folder)
    assert done.code == 0, done.output


def test_metadata_is_inherited_and_the_licence_never_invented(tmp_path: Path) -> None:
    source = make_checkpoint("bert", None, tmp_path / "source")
    without = convert(source, output=tmp_path / "without", verify=False, **OPTIONS).output
    assert not {"license", "language", "base_model"} & metadata(without).keys()
    (source / "README.md").write_text(CARD)
    inherited = metadata(convert(source, output=tmp_path / "with", verify=False, **OPTIONS).output)
    assert inherited["license"] == "cc-by-4.0"
    assert inherited["language"] == ["en"]
    assert inherited["datasets"] == ["squad"]
    assert inherited["tags"] == ["lsg", "long-context", "custom_code", "sentence-similarity"]
    assert "base_model" not in inherited  # a folder's own base is not ours, and a folder has no name on the Hub


def test_attention_picture_is_of_the_folders_own_settings(tmp_path: Path) -> None:
    draw_attention(tmp_path, LSGOptions())
    data = (tmp_path / "attention.png").read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert width == height
    assert len(data) < 4000
    draw_attention(tmp_path, LSGOptions(sparsity_type="none"))
    assert (tmp_path / "attention.png").read_bytes() != data


def test_pattern_has_what_the_options_say() -> None:
    full = attention_pattern(LSGOptions())
    assert {*full.flatten()} == {NOTHING, LOCAL, SPARSE, GLOBAL}
    assert (full[0] == GLOBAL).all()
    assert (full[:, 0] == GLOBAL).all()
    middle = full[len(full) // 2]
    assert (middle == LOCAL).sum() == 12
    assert {*attention_pattern(LSGOptions(num_global_tokens=0, sparsity_factor=0)).flatten()} == {NOTHING, LOCAL}


@pytest.mark.parametrize("by_position", [None, {}])
def test_without_curves_there_is_no_picture(by_position: dict | None, tmp_path: Path) -> None:
    (tmp_path / "verification.png").write_bytes(b"old")
    assert not draw_verification(tmp_path, by_position)
    assert not (tmp_path / "verification.png").exists()
