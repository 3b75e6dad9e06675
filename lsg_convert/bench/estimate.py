"""What a benchmark will take, before it is run."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from lsg_convert.common.estimate import COMPUTING, IMPORTING, RUNTIME, SLACK, STARTING, Estimate
from lsg_convert.sources.checkpoint import Checkpoint

_TRAINING = 3  # a backward pass costs as much as two forward passes
_STATES = 60  # rows as wide as a layer that are alive at once, in a forward pass
_KEPT = 20  # of every layer, for a backward pass


def estimate_benchmark(checkpoint: Checkpoint, lengths: Sequence[int], rounds: int, train: bool) -> Estimate:
    """Memory at most, and time about, of `rounds` turns of both sides at every length."""
    shapes = [info.shape for info in checkpoint.tensors.values()]
    elements = sum(map(prod, shapes))
    width = max((min(shape) for shape in shapes if len(shape) == 2), default=1)
    passes = 2 * (rounds + 1) * (1 + _TRAINING * train)
    layers = max(elements // (12 * width**2), 1)
    attention = sum(4 * length**2 * width * layers for length in lengths)
    work = passes * (2 * elements * sum(lengths) + attention // 2)
    states = max(_STATES, _KEPT * layers * train) * 4 * width * max(lengths)
    memory = RUNTIME + (2 + 2 * train) * 4 * elements + states
    return Estimate(0, int(SLACK * memory), STARTING + IMPORTING + work / COMPUTING)
