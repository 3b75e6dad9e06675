"""The global embeddings of a converted model: what they are before any training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsg_convert.modeling.lsg_options import MAX_GLOBAL_TOKENS

if TYPE_CHECKING:
    import torch

_ROWS_PER_CHUNK = 4096


@dataclass(frozen=True)
class EmbeddingTables:
    """Words [vocabulary, width], positions [n, width] from position 0, and the rows [width] that every token gets for
    its types.
    """

    words: torch.Tensor
    positions: torch.Tensor | None
    types: Sequence[torch.Tensor]
    word_scale: float

    def embed(self, words: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Summed float32 embeddings [n, width] of word vectors [n, width] at positions [n]."""
        summed = words.float() * self.word_scale
        if self.positions is not None:
            summed = summed + self.positions[positions % self.positions.shape[0]].float()
        for row in self.types:
            summed = summed + row.float()
        return summed


def global_embeddings(
    tables: EmbeddingTables,
    first_token: int,
    mask_token: int,
    positional_stride: int,
    init: str = "mask",
    seed: int = 0,
) -> torch.Tensor:
    """Global embeddings [512, width], in the word table's dtype.

    Row 0 is what the model embeds for `first_token` (BOS, CLS) at position 0, so that one global token stands in for it
    exactly. Row k is the mask token at position k · `positional_stride` (`init="mask"`), or a draw from the normal
    distribution with the word embeddings' mean and covariance at that position (`init="random"`).
    """
    import torch

    words = tables.words[mask_token].float().expand(MAX_GLOBAL_TOKENS, -1).clone()
    if init == "random":
        words = _draw_words(tables.words, seed)
    words[0] = tables.words[first_token].float()
    positions = torch.arange(MAX_GLOBAL_TOKENS) * positional_stride
    return tables.embed(words, positions).to(tables.words.dtype)


def _draw_words(table: torch.Tensor, seed: int) -> torch.Tensor:
    """512 draws from N(mean, covariance) of the rows of `table`, read in pieces; no global random state is used.

    A sum of all rows less their mean, each times a normal number, has their covariance: no matrix of it is needed.
    """
    import torch

    pieces = table.split(_ROWS_PER_CHUNK)
    mean = torch.stack([piece.double().sum(0) for piece in pieces]).sum(0) / table.shape[0]
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.zeros(MAX_GLOBAL_TOKENS, table.shape[1])
    for piece in pieces:
        noise = torch.randn(MAX_GLOBAL_TOKENS, piece.shape[0], generator=generator)
        drawn += noise @ (piece.float() - mean.float())
    return mean.float() + drawn / table.shape[0] ** 0.5
