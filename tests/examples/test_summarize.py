"""`examples/summarize.py`: ROUGE, the published table, training in a fresh process that can be interrupted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lsg_convert import convert
from lsg_convert.sweep.grid import published_grid
from lsg_convert.sweep.rouge import rouge
from tests.examples.scripts import result, run_script, write_rows
from tests.texts import LINES, long_text

SHORT = ["--max-summary", 12, "--min-summary", 2, "--beams", 2]
FAST = ["--batch", 2, "--batch-in-memory", 2, "--learning-rate", 0.003]


@pytest.fixture(scope="module")
def model(checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny summarizer that reads 256 tokens."""
    folder = tmp_path_factory.mktemp("summarizer") / "lsg"
    options = {"max_len": 256, "block_size": 32, "sparse_block_size": 32, "sparsity_type": "lsh"}
    convert(checkpoint("bart"), output=folder, verify=False, **options)
    return folder


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four long texts with summaries."""
    texts = long_text(400).split("\n")[0]
    rows = [{"text": texts[100 * i : 100 * i + 1200], "summary": LINES[i]} for i in range(4)]
    return write_rows(tmp_path_factory.mktemp("texts") / "rows.jsonl", rows)


def test_rouge_is_that_of_rouge_score() -> None:
    """The precision and the recall of words, counted by hand; the package counts sentences and pairs alike."""
    found = rouge(["the keeper drew ships", "nothing"], ["The keeper counted the ships.", "a word"])
    assert found["rouge1"] == pytest.approx(100 * (2 * 3 / (4 + 5)) / 2)
    assert found["rouge2"] == pytest.approx(100 * (2 * 1 / (3 + 4)) / 2)
    # A longest common subsequence goes across sentences; that of sentences is a union.
    crossed = rouge(["One two. Three four."], ["Three four. One two."])
    assert crossed["rougeL"] == pytest.approx(50.0) and crossed["rougeLsum"] == pytest.approx(100.0)


def test_the_grid_is_that_of_the_published_cards() -> None:
    grid = published_grid()
    assert [setting.name for setting in grid if setting.sparsity_type == "none"] == [
        "local 256", "local 128", "local 64", "local 32",
    ]  # fmt: skip
    assert len(grid) == 14 and {setting.attended_keys(4) for setting in grid} == {772, 388, 644, 196, 100, 164}
    for setting in grid:
        setting.check()


@pytest.mark.slow
def test_it_trains_evaluates_and_prints_the_table(model: Path, file: Path, tmp_path: Path) -> None:
    options = ["--train", file, "--eval", file, *FAST, *SHORT, "--steps", 6, "--save-steps", 3]
    printed = run_script("summarize.py", model, *options, "--output", tmp_path / "trained")
    figures = result(tmp_path / "trained")
    assert f"rouge1 {figures['rouge1']:.2f}" in printed and figures["texts"] == 4
    written = result(tmp_path / "trained", "summaries")
    again = rouge(written, [LINES[i] for i in range(4)])
    assert again == pytest.approx({kind: figures[kind] for kind in again})

    run_script("summarize.py", tmp_path / "trained", "--eval", file, "--output", tmp_path / "alone", *SHORT)
    assert result(tmp_path / "alone", "summaries") == written

    shutil.copytree(tmp_path / "trained" / "checkpoint-3", tmp_path / "killed" / "checkpoint-3")
    run_script("summarize.py", model, *options, "--output", tmp_path / "killed", "--resume")
    assert (tmp_path / "killed/model.safetensors").read_bytes() == (tmp_path / "trained/model.safetensors").read_bytes()


@pytest.mark.slow
def test_the_table_has_a_line_a_setting(model: Path, file: Path, tmp_path: Path) -> None:
    options = ["--eval", file, "--rows", 1, "--output", tmp_path, *SHORT, "--grid"]
    lines = run_script("summarize.py", model, *options).splitlines()
    found = result(tmp_path, "grid")
    assert list(found) == [setting.name for setting in published_grid()] and len(lines) == 1 + len(found)
    assert found["norm 128/4"]["keys"] == 641
    assert run_script("summarize.py", model, *options, "--resume").splitlines() == lines


@pytest.mark.slow
@pytest.mark.parametrize("kind", [("--only", "globals"), ("--lora", 2)])
def test_what_is_trained(model: Path, file: Path, tmp_path: Path, kind: tuple[object, ...]) -> None:
    """Global embeddings alone leave every other tensor as it is; adapters come back merged into a whole model."""
    from safetensors.torch import load_file

    run_script("summarize.py", model, "--train", file, *FAST, "--steps", 2, "--output", tmp_path, *kind)
    before, after = load_file(model / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    changed = {name for name in before if not before[name].equal(after[name])}
    assert before.keys() == after.keys()
    if kind[0] == "--only":
        assert changed and all(name.endswith("global_embeddings.weight") for name in changed)
    else:
        assert any("q_proj" in name for name in changed) and not any("norm" in name for name in changed)
