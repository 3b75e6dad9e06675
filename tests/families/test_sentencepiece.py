"""Families whose tokenizers exist only as sentencepiece models, as their repositories have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lsg_convert import convert
from tests.families.pairs import DENSE_LIMIT, OPTIONS, SOURCE_LENGTH, TOLERANCE
from tests.texts import LINES
from tests.tiny import make_checkpoint

sentencepiece = pytest.importorskip("sentencepiece")


def train(folder: Path, name: str) -> list[str]:
    """Train a unigram model into `folder/name`; return its pieces."""
    prefix = folder / "trained"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES), model_prefix=str(prefix), vocab_size=160, hard_vocab_limit=False, minloglevel=2
    )
    (folder / "trained.vocab").unlink()
    (folder / "trained.model").rename(folder / name)
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / name))
    return [processor.id_to_piece(number) for number in range(processor.get_piece_size())]


def marian(folder: Path) -> dict[str, Any]:
    """Files of a Marian tokenizer: two models, one vocabulary with the padding last."""
    pieces = train(folder, "source.spm")
    (folder / "target.spm").write_bytes((folder / "source.spm").read_bytes())
    words = ["</s>", "<unk>", *(piece for piece in pieces if piece not in ("<s>", "</s>", "<unk>")), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    return {"tokenizer_class": "MarianTokenizer", "source_lang": "en", "target_lang": "fr", "size": len(words)}


def m2m_100(folder: Path) -> dict[str, Any]:
    """Files of an M2M100 tokenizer: a model, and a vocabulary that begins as fairseq's do."""
    pieces = train(folder, "sentencepiece.bpe.model")
    words = ["<s>", "<pad>", "</s>", "<unk>", *(piece for piece in pieces if piece not in ("<s>", "</s>", "<unk>"))]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    # Behind the vocabulary come 100 languages and eight words that nobody made.
    return {"tokenizer_class": "M2M100Tokenizer", "src_lang": "en", "tgt_lang": "fr", "size": len(words) + 108}


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "write"), [("marian", marian), ("m2m_100", m2m_100)])
def test_converts_with_the_tokenizer_it_has(tmp_path: Path, model_type: str, write: Any) -> None:
    import transformers

    files = tmp_path / "files"
    files.mkdir()
    settings = write(files)
    size = settings.pop("size")
    special = {"marian": (size - 1, 0), "m2m_100": (1, 2)}[model_type]
    source = make_checkpoint(
        model_type, None, tmp_path / "source", max_positions=SOURCE_LENGTH, vocab_size=size,
        decoder_vocab_size=size, pad_token_id=special[0], eos_token_id=special[1], decoder_start_token_id=special[0],
    )  # fmt: skip
    for name in ("tokenizer.json", "special_tokens_map.json"):
        (source / name).unlink()
    for path in files.iterdir():
        path.rename(source / path.name)
    (source / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": SOURCE_LENGTH}))
    before = transformers.AutoTokenizer.from_pretrained(source)
    result = convert(source, output=tmp_path / "converted", verify=False, **OPTIONS)
    model, tokenizer = result.load(num_global_tokens=0)
    assert type(tokenizer) is type(before)
    text = "the wind came"
    inputs = tokenizer(text, return_tensors="pt")
    assert inputs["input_ids"][0].tolist() == before(text)["input_ids"]
    assert inputs["input_ids"].shape[1] <= DENSE_LIMIT
    assert int(inputs["input_ids"][0, -1]) == special[1]
    original = transformers.AutoModelForSeq2SeqLM.from_pretrained(source).eval()
    inputs["decoder_input_ids"] = inputs["input_ids"][:, :4]
    assert (model(**inputs).logits - original(**inputs).logits).abs().max() <= TOLERANCE
