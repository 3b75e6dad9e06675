"""`examples/classify.py`: labels, figures, a word at the end of a text that only a long model can see."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lsg_convert import convert
from tests.examples.scripts import result, run_script, write_rows
from tests.texts import LINES

FAST = ["--batch", 8, "--batch-in-memory", 8, "--learning-rate", 0.005]


@pytest.fixture(scope="module")
def model(checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny language model that reads 256 tokens; it has no classifier."""
    folder = tmp_path_factory.mktemp("classifier") / "lsg"
    convert(checkpoint("bert"), output=folder, verify=False, max_len=256, block_size=32, sparse_block_size=32)
    return folder


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts of two kinds that differ in their last line only, beyond 64 tokens."""
    beginning = " ".join(LINES[:6])
    rows = [{"text": f"{beginning} {LINES[6 + i % 2] * 2}", "label": ("storm", "log")[i % 2]} for i in range(16)]
    return write_rows(tmp_path_factory.mktemp("texts") / "rows.jsonl", rows)


@pytest.mark.slow
def test_a_long_model_learns_what_stands_at_the_end(model: Path, file: Path, tmp_path: Path) -> None:
    options = ["--train", file, "--eval", file, *FAST]
    run_script("classify.py", model, *options, "--steps", 40, "--output", tmp_path / "trained")
    figures = result(tmp_path / "trained")
    assert figures["accuracy"] == figures["f1"] == 100 and figures["texts"] == 16
    assert set(result(tmp_path / "trained", "labels")) == {"storm", "log"}
    run_script("classify.py", tmp_path / "trained", "--eval", file, "--output", tmp_path / "alone")
    assert result(tmp_path / "alone") == figures
    run_script("classify.py", model, *options, "--steps", 10, "--max-len", 64, "--output", tmp_path / "short")
    assert result(tmp_path / "short")["accuracy"] == 50  # the beginnings are the same


@pytest.mark.slow
@pytest.mark.parametrize("kind", [("--only", "globals"), ("--lora", 2)])
def test_what_is_trained(model: Path, file: Path, tmp_path: Path, kind: tuple[object, ...]) -> None:
    from safetensors.torch import load_file

    options = ["--train", file, "--dev-share", 0.25, *FAST, "--steps", 2, *kind]
    run_script("classify.py", model, *options, "--output", tmp_path)
    assert result(tmp_path)["texts"] == 4
    before, after = load_file(model / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    shared = before.keys() & after.keys()
    changed = {name for name in shared if not before[name].equal(after[name])}
    assert {"classifier.weight", "classifier.bias"} <= after.keys() and len(shared) > 30
    if kind[0] == "--only":
        assert changed and all(name.endswith("global_embeddings.weight") for name in changed)
    else:
        assert any("query" in name for name in changed) and not any("LayerNorm" in name for name in changed)


def test_an_unknown_label_is_named(model: Path, file: Path, tmp_path: Path) -> None:
    """Evaluation of a model that was trained on other labels ends in one line."""
    with pytest.raises(AssertionError, match="Labels that the model does not have: log, storm"):
        run_script("classify.py", model, "--eval", file, "--output", tmp_path)


@pytest.mark.slow
def test_a_step_is_the_same_in_parts(model: Path, file: Path, tmp_path: Path) -> None:
    """The loss of a batch is a mean, however many texts are in memory at a time."""
    losses = []
    for count in (1, 4):
        options = ["--train", file, "--batch", 4, "--batch-in-memory", count, "--steps", 2, "--no-dropout"]
        printed = run_script("classify.py", model, *options, "--output", tmp_path / str(count))
        losses.append(float(re.findall(r"'train_loss': '?([\d.e-]+)", printed)[-1]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
