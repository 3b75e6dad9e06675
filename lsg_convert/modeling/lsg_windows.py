"""Which keys may be attended, and which of them a block of queries sees: `KeyMask` and `Window`."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

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
        if tokens is None and not mask_first_token:
            return
        if tokens is None:
            tokens = torch.ones(1, num_tokens, dtype=torch.bool, device=device)
        if mask_first_token:
            tokens = tokens & (torch.arange(num_tokens, device=device) > 0)
        self.keep = functional.pad(tokens, (num_global_tokens, 0), value=True)
        if self.padded and _is_eager_on_cpu(device):
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
        """The windows of all blocks, in order; planned once."""
        if self._windows is None:
            self._windows = plan_windows(self, options, _blocks_at_once(self, options))
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
            windows[-1] = windows[-1]._replace(num_blocks=windows[-1].num_blocks + 1)
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


def _blocks_at_once(key_mask: KeyMask, options: LSGOptions) -> int:
    """How many blocks to attend in one call.

    On a CPU few: their keys are gathered into memory that stays in the cache, and there is never much of it. Elsewhere,
    and in a graph, all of them: there it is calls that cost.
    """
    if not _is_eager_on_cpu(key_mask.device):
        return key_mask.num_tokens
    return max(1, 256 // (options.block_size * key_mask.batch_size))


def see(sequence: Tensor, sparse: Tensor | None, window: Window, num_globals: int, options: LSGOptions) -> Tensor:
    """What each block sees of [globals | tokens] and of the entries: [B, H, L, ...] -> [B, H, num_blocks, W, ...]."""
    parts = []
    if num_globals:
        globals_ = sequence[:, :, None, :num_globals]
        parts.append(globals_.expand(-1, -1, window.num_blocks, *globals_.shape[3:]))
    if sparse is not None:
        sides = [side for side in (window.left, window.right) if side[0] < side[1]]
        parts += [_slide(sparse, side, window.num_blocks, options.step) for side in sides]
    parts.append(_slide(sequence[:, :, num_globals:], window.local, window.num_blocks, options.block_size))
    return torch.cat(parts, dim=3)


def _slide(sequence: Tensor, span: tuple[int, int], count: int, shift: int) -> Tensor:
    """Views of ``count`` spans, each ``shift`` further on: [B, H, L, ...] -> [B, H, count, span, ...]."""
    reached = sequence[:, :, span[0] : span[1] + (count - 1) * shift]
    return reached.unfold(2, span[1] - span[0], shift).movedim(-1, 3)


def _is_eager_on_cpu(device: torch.device) -> bool:
    return device.type == "cpu" and not torch.compiler.is_compiling() and not torch.jit.is_tracing()
