"""Keys and values, gathered window by window: `Sequence`."""

import torch
from torch import Tensor

from .lsg_graph import take_beyond
from .lsg_options import LSGOptions
from .lsg_windows import Window


class Sequence:
    """Keys or values, [globals | tokens] [B, H, G + T, ...] and sparse tokens [B, H, S, ...]."""

    def __init__(self, sequence: Tensor, sparse: Tensor | None, num_globals: int, options: LSGOptions) -> None:
        self.globals = sequence[:, :, None, :num_globals]
        self.tokens = _Spans(sequence[:, :, num_globals:], options.block_size)
        self.sparse = None if sparse is None else _Spans(sparse, options.step)

    def gather(self, window: Window) -> Tensor:
        """The keys or values of each block: [B, H, num_blocks, W, ...]."""
        parts = []
        if self.globals.shape[3]:
            parts.append(self.globals.expand(-1, -1, window.num_blocks, *self.globals.shape[3:]))
        if self.sparse is not None:
            parts += self.sparse.take(window.left, window) + self.sparse.take(window.right, window)
        return torch.cat(parts + self.tokens.take(window.local, window), dim=3)

    def accumulate_grad(self, window: Window, gradient: Tensor) -> None:
        """The opposite of `gather` for one block: add the gradient [B, H, W, D] of its keys to the sequence's."""
        targets = [self.globals.squeeze(2)]
        if self.sparse is not None:
            targets += [self.sparse.sequence[:, :, first:last] for first, last in (window.left, window.right)]
        targets.append(self.tokens.sequence[:, :, window.local[0] : window.local[1]])
        parts = gradient.split([target.shape[2] for target in targets], dim=2)
        for target, part in zip(targets, parts, strict=True):
            target += part


class _Spans:
    """A sequence [B, H, L, ...] of which overlapping spans are taken, each ``shift`` further on than the one before."""

    def __init__(self, sequence: Tensor, shift: int) -> None:
        self.sequence = sequence
        self.shift = shift

    def take(self, span: tuple[int, int], window: Window) -> list[Tensor]:
        """Parts of the spans of all its blocks, each [B, H, num_blocks, part, ...]."""
        first, last = span
        count = window.num_blocks
        if first == last:
            return []
        if window.reaches_beyond:
            return take_beyond(self.sequence, span, self.shift, count)
        if count > 1:
            reached = self.sequence[:, :, first : last + (count - 1) * self.shift]
            return [reached.unfold(2, last - first, self.shift).movedim(-1, 3)]
        return [self.sequence[:, :, None, first:last]]
