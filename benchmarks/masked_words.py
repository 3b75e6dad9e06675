"""Texts as rows of tokens, and the masked-LM loss on them: the same tokens are masked whatever the model and length."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def read_texts(path: Path) -> list[dict[str, str]]:
    """[{"id", "text"}] of a JSONL file, of a file of SQuAD's format (its contexts), or of a plain text."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        lines = [json.loads(line) for line in text.splitlines()]
        return [{"id": str(line.get("id", number)), "text": line["text"]} for number, line in enumerate(lines)]
    if path.suffix == ".json":
        paragraphs = [paragraph for document in json.loads(text)["data"] for paragraph in document["paragraphs"]]
        return [{"id": f"{path.stem}-{number}", "text": one["context"]} for number, one in enumerate(paragraphs)]
    return [{"id": path.stem, "text": text}]


def token_rows(tokenizer: Any, texts: Iterable[str], length: int) -> Tensor:
    """[rows, length]: whole pieces of each text, each between the tokenizer's first and last token."""
    rows = []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False, verbose=False).input_ids
        pieces = [ids[start : start + length - 2] for start in range(0, len(ids), length - 2)]
        whole = (piece for piece in pieces if len(piece) == length - 2)
        rows += [[tokenizer.cls_token_id, *piece, tokenizer.sep_token_id] for piece in whole]
    return torch.tensor(rows)


def masked(rows: Tensor, tokenizer: Any, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows [B, T] with the mask token in place of 15 % of the words, and which those are [B, T]."""
    special = (rows == tokenizer.cls_token_id) | (rows == tokenizer.sep_token_id)
    chosen = (torch.rand(rows.shape, generator=generator) < 0.15) & ~special
    return rows.masked_fill(chosen, tokenizer.mask_token_id), chosen


@torch.inference_mode()
def words_loss(model: Any, rows: Tensor, tokenizer: Any) -> float:
    """Mean cross-entropy (nats) of the masked words of rows [B, T], which a seed chooses."""
    given, chosen = masked(rows, tokenizer, torch.Generator().manual_seed(1))
    total = 0.0
    for one, where, wanted in zip(given, chosen, rows, strict=True):
        hidden = model.base_model(one[None])[0][0, where]
        total += float(functional.cross_entropy(model.cls(hidden).float(), wanted[where], reduction="sum"))
    return total / int(chosen.sum())
