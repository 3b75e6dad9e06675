"""The global embeddings of a converted model: what they are before any training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsg_convert.modeling.lsg_options import MAX_GLOBAL_TOKENS
from lsg_convert.sources.file_bytes import StoredRows
from lsg_convert.sources.floats import to_float32

if TYPE_CHECKING:
    import numpy

_ROWS_PER_CHUNK = 4096


@dataclass(frozen=True)
class EmbeddingTables:
    """Words as stored, uint8 [vocabulary, bytes of a row] of `dtype`; in float32 the positions [n, width] from
    position 0, and the rows [width] that every token gets for its types.
    """

    words: numpy.ndarray | StoredRows
    dtype: str
    positions: numpy.ndarray | None
    types: Sequence[numpy.ndarray]
    word_scale: float

    def word(self, token: int) -> numpy.ndarray:
        """One token's vector, float32 [width]."""
        return to_float32(self.words[token], self.dtype)

    def pieces(self) -> Iterator[numpy.ndarray]:
        """All tokens' vectors, float32 [n, width], some at a time."""
        for start in range(0, len(self.words), _ROWS_PER_CHUNK):
            yield to_float32(self.words[start : start + _ROWS_PER_CHUNK], self.dtype)

    def embed(self, words: numpy.ndarray, positions: numpy.ndarray) -> numpy.ndarray:
        """Summed float32 embeddings [n, width] of word vectors [n, width] at positions [n]."""
        import numpy

        summed = words * numpy.float32(self.word_scale)
        if self.positions is not None:
            summed = summed + self.positions[positions % len(self.positions)]
        for row in self.types:
            summed = summed + row
        return summed


def global_embeddings(
    tables: EmbeddingTables,
    first_token: int,
    mask_token: int,
    positional_stride: int,
    init: str = "mask",
    seed: int = 0,
) -> numpy.ndarray:
    """Global embeddings, float32 [512, width].

    Row 0 is what the model embeds for `first_token` (BOS, CLS) at position 0, so that one global token stands in for it
    exactly. Row k is the mask token at position k · `positional_stride` (`init="mask"`), or a draw from the normal
    distribution with the word embeddings' mean and covariance at that position (`init="random"`).
    """
    import numpy

    if init == "random":
        words = _draw_words(tables, seed)
    else:
        words = numpy.tile(tables.word(mask_token), (MAX_GLOBAL_TOKENS, 1))
    words[0] = tables.word(first_token)
    return tables.embed(words, numpy.arange(MAX_GLOBAL_TOKENS) * positional_stride)


def _draw_words(tables: EmbeddingTables, seed: int) -> numpy.ndarray:
    """512 draws from N(mean, covariance) of all words, read in pieces; no global random state is used.

    A sum of all rows less their mean, each times a normal number, has their covariance: no matrix of it is needed.
    """
    import numpy

    count = len(tables.words)
    total = sum(piece.sum(0, dtype=numpy.float64) for piece in tables.pieces())
    mean = (total / count).astype(numpy.float32)
    generator = numpy.random.Generator(numpy.random.PCG64(seed))
    drawn = numpy.zeros((MAX_GLOBAL_TOKENS, len(mean)), dtype=numpy.float32)
    for piece in tables.pieces():
        noise = generator.standard_normal((MAX_GLOBAL_TOKENS, len(piece)), dtype=numpy.float32)
        drawn += noise @ (piece - mean)
    return mean + drawn / numpy.float32(count**0.5)
