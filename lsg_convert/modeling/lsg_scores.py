"""The scores of one call of LSG attention: which keys a window's queries see, and what is added to their products."""

from typing import NamedTuple

import torch
from torch import Tensor

from .lsg_bias import PositionBias
from .lsg_options import LSGOptions
from .lsg_selection import SparseEntries
from .lsg_windows import KeyMask, Sequence, Window


class LayerCall(NamedTuple):
    """One call of the attention, but for queries, keys and values."""

    key_mask: KeyMask
    options: LSGOptions
    scale: float
    dropout_p: float = 0.0
    position_bias: PositionBias | None = None
    entries: SparseEntries | None = None

    def bias_tensors(self) -> tuple[Tensor | None, Tensor | None]:
        """What the position bias is made of, by distance and towards globals; None where there is none."""
        if self.position_bias is None:
            return None, None
        return self.position_bias.by_distance(self.key_mask.num_tokens), self.position_bias.globals

    def windows(self) -> list[Window]:
        """The windows of all blocks, in order."""
        return self.key_mask.windows(self.options)

    def sequence(self, sequence: Tensor, entries: Tensor | None) -> Sequence:
        """Keys or values [B, H, G + T, D] and their sparse entries [B, H, E, D], to be seen window by window."""
        return Sequence(sequence, entries, self.key_mask.num_global_tokens, self.options)

    def queries(self, window: Window) -> slice:
        """Where the window's queries are in [globals | tokens]."""
        first = self.key_mask.num_global_tokens + window.block * self.options.block_size
        return slice(first, first + window.num_blocks * self.options.block_size)

    def added(self, window: Window, dtype: torch.dtype) -> Tensor | None:
        """What to add to the scores of a window, masks and bias, broadcastable to [B · num_blocks, H, block_size, W];
        None where that is nothing.
        """
        return added_to_scores(self._kept(window), self._bias(window), dtype)

    def give_back_bias(self, window: Window, gradient: Tensor, of_distance: Tensor, of_globals: Tensor) -> None:
        """The opposite of `added` for one block: add the gradient [B, H, block_size, W] of its scores to the bias's."""
        assert self.position_bias is not None
        positions = self.bias_positions(window)
        self.position_bias.give_back(gradient, *positions, self.key_mask.num_global_tokens, of_distance, of_globals)

    def bias_positions(self, window: Window) -> tuple[Tensor, Tensor]:
        """Where queries stand, long [num_blocks, block_size], and the keys that they see, globals apart, long
        [B or 1, H or 1, num_blocks, W - G]; of one block alone if the others' are the same, shifted.
        """
        sparse = None if self.entries is None else self.entries.position
        if sparse is None or sparse.dim() < 3:
            window = Window(window.block, 1, *window[2:])
        tokens = torch.arange(self.key_mask.num_tokens, device=self.key_mask.device)
        queries = tokens[window.block * self.options.block_size :][: window.num_blocks * self.options.block_size]
        keys = tokens[None, None]
        if sparse is not None:
            sparse = sparse.reshape(*[1] * (3 - sparse.dim()), *sparse.shape)
            keys = keys.expand(*sparse.shape[:2], -1)
        return queries.unflatten(0, (window.num_blocks, -1)), Sequence(keys, sparse, 0, self.options).see(window)

    def _bias(self, window: Window) -> Tensor | None:
        if self.position_bias is None:
            return None
        positions = self.bias_positions(window)
        return fold(self.position_bias.window(*positions, self.key_mask.num_global_tokens, self.key_mask.num_tokens))

    def _kept(self, window: Window) -> Tensor | None:
        """Which keys the blocks may attend, bool [B · num_blocks, H or 1, 1, W]; None where that is all."""
        entries, key_mask = self.entries, self.key_mask
        if not window.masked and not (entries is not None and entries.may_be_empty):
            return None
        num_keys = key_mask.num_global_tokens + key_mask.num_tokens
        all_kept = torch.ones(1, 1, dtype=torch.bool, device=key_mask.device)
        keep = all_kept.expand(1, num_keys) if key_mask.keep is None else key_mask.keep
        sparse = None
        if entries is not None:
            sparse = all_kept[None].expand(1, 1, entries.key.shape[2]) if entries.keep is None else entries.keep
        keep = keep[:, None].expand(key_mask.batch_size, 1 if sparse is None else sparse.shape[1], -1)
        sparse = None if sparse is None else sparse.expand(key_mask.batch_size, -1, -1)
        return fold(self.sequence(keep, sparse).see(window)).unsqueeze(2)


def added_to_scores(keep: Tensor | None, bias: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """The bias where keys are kept, and elsewhere a number so small that nothing is left of them.

    It is finite, which keeps fully masked rows finite.
    """
    if keep is None:
        return bias
    unmasked = torch.zeros((), dtype=dtype, device=keep.device) if bias is None else bias.to(dtype)
    return torch.where(keep, unmasked, torch.finfo(dtype).min)


def fold(blocks: Tensor) -> Tensor:
    """Blocks into the batch: [B, H, num_blocks, ...] -> [B * num_blocks, H, ...]."""
    return blocks.transpose(1, 2).flatten(0, 1)
