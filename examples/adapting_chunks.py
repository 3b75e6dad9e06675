"""What a converted embedding model can learn from long texts alone: the objective of `adapt.py` for such models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from adapting import SHORT_TEXTS
from retrieval import chunks
from training import dropout_settings


class Chunks:
    """Give every chunk of a long text, read in one pass, the vector that the source gives to the chunk alone."""

    def __init__(self, options: argparse.Namespace) -> None:
        from sentence_transformers import SentenceTransformer

        self.options = options
        self.sentences = SentenceTransformer(
            str(options.model), trust_remote_code=True, config_kwargs=dropout_settings(options)
        )
        self.sentences.max_seq_length = options.max_len
        self.tokenizer = self.sentences.tokenizer
        self.model = self.sentences[0].auto_model
        if not getattr(self.sentences[1], "pooling_mode_mean_tokens", self._pooling() == "mean"):
            raise SystemExit("Chunks are means of their tokens: a model with another pooling cannot learn so.")

    def _pooling(self) -> str:
        return str(getattr(self.sentences[1], "pooling_mode", ""))

    def rows(self, texts: list[str]) -> list[dict[str, Any]]:
        """Ids, the number of each token's chunk (-1 for special ones), and the vectors of the chunks alone."""
        room = self.options.max_len - self.tokenizer.num_special_tokens_to_add()
        made = []
        for piece in (piece for text in texts for piece in chunks(self.tokenizer, text, room)):
            encoded = self.tokenizer(
                piece, truncation=True, max_length=self.options.max_len, return_special_tokens_mask=True
            )
            special = np.array(encoded["special_tokens_mask"], dtype=bool)
            of_token = np.where(special, -1, (np.cumsum(~special) - 1) // self.options.chunk_tokens)
            # Up to the source's own length the folder computes what the source does.
            alone = chunks(self.tokenizer, piece, self.options.chunk_tokens)
            targets = self.sentences.encode(alone, normalize_embeddings=True, show_progress_bar=False)
            if of_token.max() + 1 == len(targets) and len(targets) > 1:
                made.append({"ids": encoded["input_ids"], "chunks": of_token.tolist(), "targets": targets.tolist()})
        return made

    def collate(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Padded ids; chunks are numbered through the batch."""
        batch = dict(self.tokenizer.pad({"input_ids": [row["ids"] for row in rows]}, return_tensors="pt"))
        numbers = torch.full_like(batch["input_ids"], -1)
        first = 0
        for i, row in enumerate(rows):
            own = torch.tensor(row["chunks"])
            numbers[i, : len(own)] = torch.where(own < 0, own, own + first)
            first += len(row["targets"])
        targets = torch.tensor([vector for row in rows for vector in row["targets"]])
        return batch | {"chunks": numbers, "targets": targets}

    def loss(self, model: Any, batch: dict[str, Any], return_outputs: bool = False) -> Any:
        """One minus the mean cosine."""
        numbers, targets = batch["chunks"], batch["targets"]
        states = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])[0]
        states = states[:, -numbers.shape[1] :]
        inside = numbers >= 0
        sums = torch.zeros(len(targets), states.shape[-1], dtype=states.dtype, device=states.device)
        sums = sums.index_add(0, numbers[inside], states[inside])
        loss = 1 - torch.cosine_similarity(sums.float(), targets, dim=-1).mean()
        return (loss, {"loss": loss}) if return_outputs else loss

    @torch.no_grad()
    def by_length(self, texts: list[str]) -> dict[str, float]:
        """The loss at the full length."""
        self.model.eval()
        losses = []
        for row in self.rows(texts):
            batch = {name: value.to(self.model.device) for name, value in self.collate([row]).items()}
            losses.append(float(self.loss(self.model, batch)))
        return {f"loss at {self.options.max_len}": float(np.mean(losses))} if losses else {}

    def short_states(self) -> torch.Tensor:
        """Vectors."""
        return torch.from_numpy(self.sentences.encode(list(SHORT_TEXTS), show_progress_bar=False)).float()

    def save(self, folder: Path) -> None:
        """By sentence-transformers."""
        self.sentences.save_pretrained(str(folder))
