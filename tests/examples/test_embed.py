"""`examples/embed.py`, `examples/retrieval.py`: late chunks, accuracies, a training in a fresh process."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lsg_convert import convert
from tests.examples.scripts import EXAMPLES, result, run_script, write_rows
from tests.texts import LINES, long_text


@pytest.fixture(scope="module")
def retrieval() -> ModuleType:
    """The module, which scripts beside it import by its name."""
    spec = importlib.util.spec_from_file_location("retrieval", EXAMPLES / "retrieval.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny embedding model that reads 256 tokens, with mean pooling and normalized vectors."""
    place = tmp_path_factory.mktemp("embeddings")
    source = shutil.copytree(checkpoint("bert", "BertModel"), place / "source")
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    described = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
        for i, (name, path) in enumerate(modules)
    ]
    (source / "modules.json").write_text(json.dumps(described))
    (source / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 64, "do_lower_case": False}))
    for _, path in modules[1:]:
        (source / path).mkdir()
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    (source / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    convert(source, output=place / "lsg", verify=False, max_len=256, block_size=32, sparse_block_size=32)
    return place / "lsg"


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    """The model, loaded."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), trust_remote_code=True, device="cpu")


def test_one_late_chunk_is_the_whole_text(retrieval: ModuleType, model: Any) -> None:
    text = LINES[0]
    assert np.allclose(retrieval.late_chunks(model, text, 250), model.encode([text]), atol=1e-6)


def test_late_chunks_are_means_of_one_pass(retrieval: ModuleType, model: Any) -> None:
    """Written otherwise: hidden states of the whole text, means of 20 tokens at a time, the frame at both ends."""
    import torch

    text = " ".join(LINES[:5])
    batch = model.tokenizer([text], return_tensors="pt")
    count = batch["input_ids"].shape[1]
    assert 100 < count < 256
    with torch.no_grad():
        states = model[0].auto_model(**batch)[0][0, -count:].numpy()
    bounds = [0, *range(21, count - 1, 20), count]
    expected = np.stack([states[a:b].mean(0) for a, b in pairwise(bounds)])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = retrieval.late_chunks(model, text, 20)
    assert np.allclose(found, expected, atol=1e-5)
    alone = model.encode(retrieval.chunks(model.tokenizer, text, 20))
    assert alone.shape == found.shape and not np.allclose(alone, found, atol=0.01)


def test_a_text_beyond_the_model_is_read_in_pieces(retrieval: ModuleType, model: Any) -> None:
    text = long_text(400)
    tokens = len(model.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    found = retrieval.late_chunks(model, text, 127)
    assert len(found) == -(-tokens // 254) * 2 - (0 < tokens % 254 <= 127) and np.isfinite(found).all()


def test_every_question_finds_its_document_where_documents_are_questions(retrieval: ModuleType, model: Any) -> None:
    task = retrieval.task_of((line, line) for line in LINES[:6])
    assert set(retrieval.retrieval(model, task, 20, retrieval.SIDES).values()) >= {100.0}
    assert retrieval.accuracy(np.eye(4)[[0, 1, 1, 3]], [0, 1, 2, 3]) == 75.0
    by_sentence = retrieval.task_of([("One. Two?", "a"), ("Three", "b"), ("Four", "a")], by_sentence=True)
    assert by_sentence == (["a", "b"], ["One.", "Two?", "Three", "Four"], [0, 0, 1, 0])


@pytest.mark.slow
@pytest.mark.parametrize("only", [[], ["--only", "globals"]])
def test_it_trains_and_goes_on_after_an_interruption(folder: Path, tmp_path: Path, only: list[str]) -> None:
    from safetensors.torch import load_file

    rows = [{"question": LINES[i], "text": f"{long_text(60)} {LINES[i]}"} for i in range(8)]
    file = write_rows(tmp_path / "pairs.jsonl", rows)
    options = ["--train", file, "--eval", file, "--batch", 4, "--batch-in-memory", 2, "--chunk-tokens", 30, *only]
    options += ["--steps", 4, "--save-steps", 2, "--learning-rate", 0.003]
    run_script("embed.py", folder, *options, "--output", tmp_path / "trained")
    figures = result(tmp_path / "trained")
    assert figures["questions"] == figures["documents"] == 8 and 0 <= figures["late chunks"] <= 100
    before, after = load_file(folder / "model.safetensors"), load_file(tmp_path / "trained" / "model.safetensors")
    changed = {name for name in before if not before[name].equal(after[name])}
    assert (changed == {"embeddings.global_embeddings.weight"}) if only else len(changed) > 10
    if only:
        return

    run_script("embed.py", tmp_path / "trained", "--eval", file, "--output", tmp_path / "alone", *options[8:10])
    assert result(tmp_path / "alone") == figures
    shutil.copytree(tmp_path / "trained" / "checkpoint-2", tmp_path / "killed" / "checkpoint-2")
    run_script("embed.py", folder, *options, "--resume", "--output", tmp_path / "killed")
    again = load_file(tmp_path / "killed" / "model.safetensors")
    assert all(again[name].equal(after[name]) for name in after)
