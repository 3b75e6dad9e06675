"""Attention in a graph that is right for every length: the number of blocks is data, not structure.

All blocks share one window, and where its spans reach beyond the sequence stand zeros, which are masked. In two blocks
and less no sparse token is near enough to be seen, and every token attends to every other: there is no shortcut.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .lsg_eager import is_compiling


def holds(condition: Any) -> bool:
    """Whether a condition on lengths holds; in a graph, whether it does for every length that the graph is made for."""
    if not is_compiling():
        return bool(condition)
    from torch.fx.experimental.symbolic_shapes import statically_known_true

    return statically_known_true(condition)


def missing_tokens(num_tokens: int, block_size: int) -> int:
    """How many tokens are missing to whole blocks. They are at least two where that is not known otherwise, in a graph:
    it would be another one for a single block.
    """
    num_blocks = (num_tokens + block_size - 1) // block_size
    if not (holds(num_blocks > 1) or holds(num_blocks <= 1)):
        num_blocks = (num_tokens + 2 * block_size - 1) // block_size
    return num_blocks * block_size - num_tokens


def pad_rows(heads: Tensor, count: int) -> Tensor:
    """``count`` zeros behind the rows of [B, H, L, D], in a layout from which merging the heads is free; fewer rows if
    it is negative: so no graph asks whether there are as many.
    """
    return functional.pad(heads.transpose(1, 2), (0, 0, 0, 0, 0, count)).transpose(1, 2)


def take_beyond(sequence: Tensor, span: tuple[int, int], shift: int, count: int) -> list[Tensor]:
    """Parts of ``count`` spans of a sequence [B, H, L, ...], each ``shift`` further on than the one before: each
    [B, H, count, part, ...], with zeros where a span reaches beyond the sequence.
    """
    first, last = span
    before, skipped, num_parts = max(0, -first), max(0, first) // shift, -(-(last - first) // shift)
    behind = max(0, (skipped + num_parts - 1) * shift - before)
    padded = functional.pad(sequence, [0, 0] * (sequence.dim() - 3) + [before, behind])
    starts = range(skipped * shift, (skipped + num_parts) * shift, shift)
    parts = [padded.narrow(2, start, count * shift).unflatten(2, (count, shift)) for start in starts]
    parts[-1] = parts[-1][:, :, :, : last - first - (num_parts - 1) * shift]
    return parts


def extrapolate(position: Tensor, span: tuple[int, int], step: int, block_size: int) -> Tensor:
    """Positions [..., span] of sparse tokens that have the same places in every block; some may lie outside."""
    index = torch.arange(*span, device=position.device)
    return position[..., index % step] + index.div(step, rounding_mode="floor") * block_size
