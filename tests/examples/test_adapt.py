"""`examples/adapt.py`: only new rows are trained, short texts stay as they are, and the loss becomes smaller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lsg_convert import convert, verify
from tests.examples.scripts import result, run_script, write_rows
from tests.texts import LINES, long_text
from tests.verify.test_card import sentence_source

OPTIONS = {"max_len": 256, "block_size": 32, "sparse_block_size": 32, "verify": False}
FAST = ["--batch", 2, "--batch-in-memory", 2, "--learning-rate", 0.05, "--save-steps", 100]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [{"text": f"{LINES[i]} {long_text(100)} {LINES[i + 5]}", "question": LINES[i]} for i in range(4)]
    return write_rows(tmp_path_factory.mktemp("texts") / "rows.jsonl", rows)


def check(before: Path, after: Path, table: str, first_row: int) -> None:
    """New rows have changed, and nothing else, bit by bit."""
    from safetensors.torch import load_file

    old, new = (
        {name.removeprefix("bert."): tensor for name, tensor in load_file(folder / "model.safetensors").items()}
        for folder in (before, after)
    )
    old = {name: tensor for name, tensor in old.items() if not name.startswith("cls.") or name in new}
    assert old.keys() <= new.keys()  # sentence-transformers adds a pooler
    changed = {name for name in old if not old[name].equal(new[name])}
    tables = {name for name in changed if name.endswith(table)}
    assert tables and all(name in tables or name.endswith("global_embeddings.weight") for name in changed)
    for name in tables:
        assert old[name][:first_row].equal(new[name][:first_row])
        assert not old[name][first_row : first_row + 50].equal(new[name][first_row : first_row + 50])
    for name in changed - tables:
        assert old[name][0].equal(new[name][0])


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4])
def test_masked_tokens(checkpoint: Callable[..., Path], file: Path, tmp_path: Path, count: int) -> None:
    source = checkpoint("bert")
    convert(source, output=tmp_path / "lsg", num_global_tokens=count, **OPTIONS)
    options = ["--text", file, "--steps", 8, *FAST, "--output", tmp_path / "out"]
    printed = run_script("adapt.py", tmp_path / "lsg", *options)
    check(tmp_path / "lsg", tmp_path / "out", "position_embeddings.weight", 64)
    figures = result(tmp_path / "out")
    assert list(figures["before"]) == ["loss at 64", "loss at 128", "loss at 256"]
    assert figures["after"]["loss at 256"] < figures["before"]["loss at 256"]
    if count == 1:
        assert figures["short_texts"] == 0 and figures["after"]["loss at 64"] == figures["before"]["loss at 64"]
        report = verify(tmp_path / "out", source=source, level="exact")
        assert not report.failed
    assert "equal, bit by bit" in printed


@pytest.mark.slow
def test_denoising(checkpoint: Callable[..., Path], file: Path, tmp_path: Path) -> None:
    convert(checkpoint("bart"), output=tmp_path / "lsg", **OPTIONS)
    options = ["--text", file, "--steps", 8, *FAST, "--output", tmp_path / "out"]
    run_script("adapt.py", tmp_path / "lsg", *options)
    check(tmp_path / "lsg", tmp_path / "out", "encoder.embed_positions.weight", 66)
    assert result(tmp_path / "out")["short_texts"] == 0


@pytest.mark.slow
def test_chunks_of_an_embedding_model(file: Path, tmp_path: Path) -> None:
    convert(sentence_source(tmp_path / "source"), output=tmp_path / "lsg", **OPTIONS)
    options = ["--text", file, "--steps", 8, *FAST, "--output", tmp_path / "out", "--chunk-tokens", 30]
    run_script("adapt.py", tmp_path / "lsg", *options, "--retrieval", file)
    figures = result(tmp_path / "out")
    check(tmp_path / "lsg", tmp_path / "out", "position_embeddings.weight", 64)
    assert figures["after"]["loss at 256"] < figures["before"]["loss at 256"] and figures["short_texts"] == 0
    assert 0 <= figures["after"]["document"] <= 100


@pytest.mark.parametrize(
    ("family", "length", "said"), [("t5", 256, "has no mask token"), ("bert", 64, "There is nothing to train")]
)
def test_nothing_to_train_is_said(
    checkpoint: Callable[..., Path], file: Path, tmp_path: Path, family: str, length: int, said: str
) -> None:
    convert(checkpoint(family), output=tmp_path / "lsg", **{**OPTIONS, "max_len": length})
    with pytest.raises(AssertionError, match=said):
        run_script("adapt.py", tmp_path / "lsg", "--text", file, "--output", tmp_path / "out", "--steps", 1)
