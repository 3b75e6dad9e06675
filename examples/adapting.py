"""What a converted model can learn from long texts alone: the objectives of `adapt.py`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from training import loading_settings
from transformers import AutoModelForMaskedLM, AutoModelForSeq2SeqLM, AutoTokenizer

SHORT_TEXTS = ("A short sentence.", "The wind came from the north, and nobody had asked it to; so the boats stayed in.")
MASKED_SHARE = 0.15
HOLE = 3  # mean length of what is missing in a text with holes, in tokens
TARGET = 128  # tokens of a passage that is written down


class Objective(Protocol):
    """A model, what it is trained on, and how well it does."""

    model: Any

    def rows(self, texts: list[str]) -> list[dict[str, Any]]:
        """What is trained on: pieces of the full length."""
        ...

    def collate(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """A batch of them."""
        ...

    def loss(self, model: Any, batch: dict[str, Any], return_outputs: bool = False) -> Any:
        """What is made small."""
        ...

    def by_length(self, texts: list[str]) -> dict[str, float]:
        """The same tokens' loss, read in pieces of several lengths."""
        ...

    def short_states(self) -> torch.Tensor:
        """What the model makes of short texts."""
        ...

    def save(self, folder: Path) -> None:
        """Write the model."""
        ...


class _LanguageModel:
    """What both kinds of language models share."""

    kind: Any

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.model = self.kind.from_pretrained(options.model, trust_remote_code=True, **loading_settings(options))
        self.tokenizer = AutoTokenizer.from_pretrained(options.model, trust_remote_code=True)
        if self.tokenizer.mask_token_id is None:
            raise SystemExit(f"{options.model} has no mask token, and so nothing to learn from texts alone here.")
        self.draw = np.random.default_rng(options.seed)
        framed, plain = self.tokenizer(SHORT_TEXTS[0])["input_ids"], self.ids_of(SHORT_TEXTS[0])
        start = framed.index(plain[0])
        self.prefix, self.suffix = framed[:start], framed[start + len(plain) :]

    @property
    def lengths(self) -> list[int]:
        """The source's length, and its doubles up to the full one."""
        lengths = [min(self.options.source_len, self.options.max_len)]
        while 2 * lengths[-1] <= self.options.max_len:
            lengths.append(2 * lengths[-1])
        return lengths

    @property
    def room(self) -> int:
        """Tokens of a text of the full length, special ones not counted."""
        return self.options.max_len - len(self.prefix) - len(self.suffix)

    def ids_of(self, text: str) -> list[int]:
        """A text's ids without special ones."""
        return self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    def rows(self, texts: list[str]) -> list[dict[str, Any]]:
        """Ids of pieces of the full length; a piece of less than half of it is left out."""
        every = (self.ids_of(text) for text in texts)
        pieces = (ids[start : start + self.room] for ids in every for start in range(0, len(ids), self.room))
        return [{"ids": piece} for piece in pieces if len(piece) > self.room // 2]

    def framed(self, rows: list[list[int]]) -> dict[str, torch.Tensor]:
        """Rows of ids with special tokens, padded."""
        ids = [[*self.prefix, *row, *self.suffix] for row in rows]
        return dict(self.tokenizer.pad({"input_ids": ids}, return_tensors="pt"))

    def loss(self, model: Any, batch: dict[str, Any], return_outputs: bool = False) -> Any:
        """The library's."""
        outputs = model(**batch)
        return (outputs.loss, outputs) if return_outputs else outputs.loss

    @torch.no_grad()
    def by_length(self, texts: list[str]) -> dict[str, float]:
        """The loss of the first tokens of the texts, read in pieces of each length; hidden are the same ones."""
        self.model.eval()
        every = [self.ids_of(text)[: self.room] for text in texts]
        found = {}
        for length in self.lengths:
            before, self.draw = self.draw, np.random.default_rng(0)
            total, count = 0.0, 0
            for ids in every:
                size = length - len(self.prefix) - len(self.suffix)
                hidden = self.draw.random(len(ids)) < MASKED_SHARE
                for start in range(0, len(ids), size):
                    row = {"ids": ids[start : start + size], "hidden": hidden[start : start + size]}
                    batch = {name: value.to(self.model.device) for name, value in self.collate([row]).items()}
                    asked = int((batch["labels"] >= 0).sum())
                    if asked:
                        total, count = total + float(self.model(**batch).loss) * asked, count + asked
            found[f"loss at {length}"] = total / max(1, count)
            self.draw = before
        return found

    @torch.no_grad()
    def short_states(self) -> torch.Tensor:
        """Logits."""
        self.model.eval()
        batch = self.tokenizer(list(SHORT_TEXTS), padding=True, return_tensors="pt").to(self.model.device)
        decoder = {"decoder_input_ids": batch["input_ids"]} if self.model.config.is_encoder_decoder else {}
        return self.model(**batch, **decoder).logits.float().cpu()

    def save(self, folder: Path) -> None:
        """By the library."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


class MaskedTokens(_LanguageModel):
    """Guess masked tokens."""

    kind = AutoModelForMaskedLM

    def collate(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """15 % of the tokens are hidden, unless a row says which ones."""
        mask, first = self.tokenizer.mask_token_id, len(self.prefix)
        inputs, labels = [], []
        for row in rows:
            ids = np.asarray(row["ids"])
            hidden = row["hidden"] if "hidden" in row else self.draw.random(len(ids)) < MASKED_SHARE
            inputs.append(np.where(hidden, mask, ids).tolist())
            labels.append(torch.from_numpy(np.where(hidden, ids, -100)))
        batch = self.framed(inputs)
        batch["labels"] = torch.full_like(batch["input_ids"], -100)
        for i, own in enumerate(labels):
            batch["labels"][i, first : first + len(own)] = own
        return batch


class Denoising(_LanguageModel):
    """Write down a passage of a text with holes: anywhere in it, so that the decoder has to look far."""

    kind = AutoModelForSeq2SeqLM

    def collate(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """30 % of the tokens are missing, one mask for each hole."""
        inputs, targets = [], []
        size = min(TARGET, self.options.source_len // 2)  # the decoder is as short as the source's
        for row in rows:
            ids = row["ids"]
            start = int(self.draw.integers(0, max(1, len(ids) - size + 1)))
            targets.append(ids[start : start + size])
            inputs.append(self._with_holes(ids))
        batch, labels = self.framed(inputs), self.framed(targets)
        return batch | {"labels": labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100)}

    def _with_holes(self, ids: list[int]) -> list[int]:
        result, at = [], 0
        while at < len(ids):
            if self.draw.random() < 2 * MASKED_SHARE / HOLE:
                result.append(self.tokenizer.mask_token_id)
                at += int(self.draw.poisson(HOLE))
            else:
                result.append(ids[at])
                at += 1
        return result
