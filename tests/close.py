"""How close two float32 computations of the same thing must be.

Two ways of computing the same round in other places: after n sums they differ by some √n units in the last place *of
the largest terms*, wherever the result itself ends. So the bound is relative to the largest number that is compared. In
absolute numbers it would be too wide for small values and too narrow for large ones, and depend on the processor.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

EPSILON = torch.finfo(torch.float32).eps  # 1.2e-7, a unit in the last place of 1
# √n for some thousand sums, the longest chain in a tiny model of a few layers: 7.6e-6 of the largest number.
ROUNDING = 2**6 * EPSILON
# Gradients pass every operation twice, and their terms are sums themselves.
GRADIENT_ROUNDING = 4 * ROUNDING


def assert_close(actual: Tensor, expected: Tensor, rounding: float = ROUNDING, terms: float = 0.0) -> None:
    """`actual` is `expected` but for rounding; `terms` is the size of what is summed, where all of it may cancel."""
    size = float(expected.detach().abs().max()) if expected.numel() else 0.0
    torch.testing.assert_close(actual, expected, atol=rounding * max(size, terms), rtol=0)


def assert_gradients_close(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Every gradient that is expected, by the name of its weight, is there and is as expected but for rounding."""
    assert actual.keys() >= expected.keys()
    largest = max(float(each.abs().max()) for each in expected.values())
    for name, gradient in expected.items():
        assert_close(actual[name], gradient, GRADIENT_ROUNDING, terms=0.01 * largest)
