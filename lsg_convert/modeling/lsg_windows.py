"""Which keys may be attended, and which of them a block of queries sees: `KeyMask` and `Window`."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from .lsg_eager import is_eager_on_cpu
from .lsg_options import LSGOptions


class Window(NamedTuple):
    """What neighbouring blocks of queries see: the first these spans, each next one the same a block further on.

    block: the first block. num_blocks: how many share the window. masked: whether some of its keys may be masked.
    local: tokens from, to. left, right: sparse entries from, to. Spans end where the sequence ends.
    """

    block: int
    num_blocks: int
    masked: bool
    local: tuple[int, int]
    left: tuple[int, int]
    right: tuple[int, int]


class KeyMask:
    """Which keys may be attended, built once for a forward pass and shared by its layers.

    Args:
        tokens: bool [B, T], False where a token is padding; None when none is.
        mask_first_token: nobody attends token 0.

    Attributes:
        keep: bool [B or 1, G + T], None when all keys are kept.
        padded: whether more than the first token may be masked.
    """

    def __init__(
        self,
        tokens: Tensor | None,
        batch_size: int,
        num_tokens: int,
        num_global_tokens: int,
        mask_first_token: bool,
        device: torch.device,
    ) -> None:
        self.batch_size = batch_size
        self.num_tokens = num_tokens
        self.num_global_tokens = num_global_tokens
        self.device = device
        self.padded = tokens is not None
        self.keep: Tensor | None = None
        self._masked_before: list[int] | None = None
        self._windows: list[Window] | None = None
        self._windows_are_for: LSGOptions | None = None
        if tokens is None and not mask_first_token:
            return
        if tokens is None:
            tokens = torch.ones(1, num_tokens, dtype=torch.bool, device=device)
        if mask_first_token:
            tokens = tokens & (torch.arange(num_tokens, device=device) > 0)
        self.keep = functional.pad(tokens, (num_global_tokens, 0), value=True)
        if self.padded and is_eager_on_cpu(device):
            # Where asking is free: which tokens are masked in some document, so that other windows go without a mask.
            self._masked_before = [0, *(~tokens).any(0).cumsum(0).tolist()]

    @property
    def tokens(self) -> Tensor | None:
        """Bool [B or 1, T], None when all are kept."""
        return None if self.keep is None else self.keep[:, self.num_global_tokens :]

    @property
    def every_key(self) -> Tensor | None:
        """Bool [B or 1, 1, 1, G + T], for queries that see every key; None when all are kept."""
        return None if self.keep is None else self.keep[:, None, None]

    def keeps_all(self, first: int, last: int) -> bool:
        """Whether tokens first … last - 1 are known to be kept in every document."""
        if self.keep is None or first >= last:
            return True
        if self._masked_before is None:
            return not self.padded and first > 0
        return self._masked_before[first] == self._masked_before[last]

    def windows(self, options: LSGOptions) -> list[Window]:
        """The windows of all blocks, in order; planned once for the layers of a model, which share their options."""
        if self._windows is None or self._windows_are_for is not options:
            self._windows, self._windows_are_for = plan_windows(self, options, _blocks_at_once(self)), options
        return self._windows


def plan_windows(key_mask: KeyMask, options: LSGOptions, at_once: int) -> list[Window]:
    """The windows of all blocks, in order; up to ``at_once`` neighbours share one if theirs differ by a shift only."""
    block, num_tokens = options.block_size, key_mask.num_tokens
    factor, step, reach = 1, 0, 0
    if options.has_sparse:
        factor, step, reach = options.sparsity_factor, options.step, options.sparse_block_size
    num_entries = step * (num_tokens // block)
    windows: list[Window] = []
    for i in range(num_tokens // block):
        local = (max(0, (i - 1) * block), min(num_tokens, (i + 2) * block))
        left = (max(0, (i - 1) * step - reach), max(0, (i - 1) * step))
        right = (min(num_entries, (i + 2) * step), min(num_entries, (i + 2) * step + reach))
        # Entries may come from anywhere in their blocks.
        sparse = [(a * factor // block * block, -(-b * factor // block) * block) for a, b in (left, right) if a < b]
        masked = not all(key_mask.keeps_all(*span) for span in (local, *sparse))
        window = Window(i, 1, masked, local, left, right)
        if windows and windows[-1].num_blocks < at_once and _continues(windows[-1], window, block, step):
            before = windows[-1]
            windows[-1] = Window(before.block, before.num_blocks + 1, *before[2:])
        else:
            windows.append(window)
    return windows


def _continues(before: Window, window: Window, block: int, step: int) -> bool:
    """Whether the window is that of the blocks before, shifted."""
    n = before.num_blocks
    shifted = [
        (span[0] + n * shift, span[1] + n * shift)
        for span, shift in ((before.local, block), (before.left, step), (before.right, step))
    ]
    return shifted == [window.local, window.left, window.right] and before.masked == window.masked


def _blocks_at_once(key_mask: KeyMask) -> int:
    """How many blocks to attend in one call.

    On a CPU one: its keys are gathered into memory that stays in the cache, and there is never much of it. Elsewhere,
    and in a graph, all of them: there it is calls that cost.
    """
    return 1 if is_eager_on_cpu(key_mask.device) else key_mask.num_tokens


class Sequence:
    """Keys or values, [globals | tokens] [B, H, G + T, ...] and entries [B, H, E, ...], seen window by window."""

    def __init__(self, sequence: Tensor, entries: Tensor | None, num_globals: int, options: LSGOptions) -> None:
        self.globals = sequence[:, :, None, :num_globals]
        self.tokens = _Shelf(sequence[:, :, num_globals:], options.block_size)
        self.entries = None if entries is None else _Shelf(entries, options.step)

    def see(self, window: Window) -> Tensor:
        """What each block sees: [B, H, num_blocks, W, ...]."""
        parts = []
        if self.globals.shape[3]:
            parts.append(self.globals.expand(-1, -1, window.num_blocks, *self.globals.shape[3:]))
        if self.entries is not None:
            parts += self.entries.spans(window.left, window.num_blocks)
            parts += self.entries.spans(window.right, window.num_blocks)
        return torch.cat(parts + self.tokens.spans(window.local, window.num_blocks), dim=3)

    def give_back(self, window: Window, gradient: Tensor) -> None:
        """The opposite of `see` for one block: add the gradient [B, H, W, D] of what it saw to the sequence's."""
        targets = [self.globals.squeeze(2)]
        if self.entries is not None:
            targets += [self.entries.sequence[:, :, first:last] for first, last in (window.left, window.right)]
        targets.append(self.tokens.sequence[:, :, window.local[0] : window.local[1]])
        parts = gradient.split([target.shape[2] for target in targets], dim=2)
        for target, part in zip(targets, parts, strict=True):
            target += part


class _Shelf:
    """A sequence [B, H, L, ...] of which overlapping spans are taken, each ``shift`` further on than the one before.

    In training, single spans are put together from pieces that are cut once: the gradients of slices would each be as
    long as the sequence, and training time quadratic in it.
    """

    def __init__(self, sequence: Tensor, shift: int) -> None:
        self.sequence = sequence
        self.shift = shift
        self.pieces = sequence.unsqueeze(2).split(shift, dim=3) if sequence.requires_grad else ()

    def spans(self, span: tuple[int, int], count: int) -> list[Tensor]:
        """Parts of ``count`` spans, each [B, H, count, part, ...]."""
        first, last = span
        if first == last:
            return []
        if count > 1:
            reached = self.sequence[:, :, first : last + (count - 1) * self.shift]
            return [reached.unfold(2, last - first, self.shift).movedim(-1, 3)]
        if not self.pieces:
            return [self.sequence[:, :, None, first:last]]
        parts = []
        for i in range(first // self.shift, -(-last // self.shift)):
            start, stop = max(first - i * self.shift, 0), min(last - i * self.shift, self.shift)
            whole = start == 0 and stop == self.shift
            parts.append(self.pieces[i] if whole else self.pieces[i][:, :, :, start:stop])
        return parts
