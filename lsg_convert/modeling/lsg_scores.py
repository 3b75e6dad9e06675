"""The scores of one call of LSG attention: which keys a window's queries attend to, and what is added to them."""

from typing import NamedTuple

import torch
from torch import Tensor

from .lsg_bias import PositionBias
from .lsg_selection import SparseTokens
from .lsg_sequence import Sequence
from .lsg_windows import AttentionPlan, Window


class LayerCall(NamedTuple):
    """One call of the attention, but for queries, keys and values."""

    plan: AttentionPlan
    scale: float
    dropout_p: float = 0.0
    position_bias: PositionBias | None = None
    sparse: SparseTokens | None = None

    def bias_tensors(self) -> tuple[Tensor | None, Tensor | None]:
        """What the position bias is made of, by distance and towards globals; None where there is none."""
        if self.position_bias is None:
            return None, None
        return self.position_bias.by_distance(self.plan.num_tokens), self.position_bias.globals

    def sequence(self, sequence: Tensor, sparse: Tensor | None) -> Sequence:
        """Keys or values [B, H, G + T, D] and their sparse tokens [B, H, S, D], to be gathered window by window."""
        return Sequence(sequence, sparse, self.plan.num_globals, self.plan.options)

    def attn_bias(self, window: Window, dtype: torch.dtype) -> Tensor | None:
        """What to add to the scores of a window, masks and bias, broadcastable to [B · num_blocks, H, block_size, W];
        None where that is nothing.
        """
        return make_attn_bias(self._kept(window), self._position_bias(window), dtype)

    def accumulate_bias_grad(
        self, window: Window, gradient: Tensor, grad_by_distance: Tensor, grad_globals: Tensor
    ) -> None:
        """The opposite of `attn_bias` for one block: add the gradient [B, H, block_size, W] of its scores to the
        position bias's.
        """
        assert self.position_bias is not None
        positions = self._positions(window)
        self.position_bias.accumulate_grad(gradient, *positions, self.plan.num_globals, grad_by_distance, grad_globals)

    def _positions(self, window: Window) -> tuple[Tensor, Tensor]:
        """Positions of queries, long [num_blocks, block_size], and of their keys, globals apart, long
        [B or 1, H or 1, num_blocks, W - G]; of one block alone if the others' are the same, shifted.
        """
        sparse, options = None if self.sparse is None else self.sparse.position, self.plan.options
        # A global with a position is as far from each block as its position tells.
        shared = self.position_bias is not None and not self.position_bias.global_has_position
        if shared and (sparse is None or sparse.dim() < 3):
            window = Window(window.block, 1, *window[2:])
        tokens = torch.arange(self.plan.num_tokens, device=self.plan.device)
        queries = tokens[window.block * options.block_size :][: window.num_blocks * options.block_size]
        keys = tokens[None, None]
        if sparse is not None:
            sparse = sparse.reshape(*[1] * (3 - sparse.dim()), *sparse.shape)
            keys = keys.expand(*sparse.shape[:2], -1)
        return queries.unflatten(0, (window.num_blocks, -1)), Sequence(keys, sparse, 0, options).gather(window)

    def _position_bias(self, window: Window) -> Tensor | None:
        if self.position_bias is None:
            return None
        bias = self.position_bias.window(*self._positions(window), self.plan.num_globals, self.plan.num_tokens)
        return fold(bias if bias.shape[2] == 1 else bias.expand(self.plan.batch_size, *bias.shape[1:]))

    def _kept(self, window: Window) -> Tensor | None:
        """Which keys the blocks may attend to, bool [B · num_blocks, H or 1, 1, W]; None where that is all."""
        found, plan = self.sparse, self.plan
        if not window.masked and not (found is not None and found.may_be_empty):
            return None
        all_kept = torch.ones(1, 1, dtype=torch.bool, device=plan.device)
        keep = all_kept.expand(1, plan.num_globals + plan.num_tokens) if plan.keep is None else plan.keep
        sparse = None
        if found is not None:
            sparse = all_kept[None].expand(1, 1, found.key.shape[2]) if found.keep is None else found.keep
        keep = keep[:, None].expand(plan.batch_size, 1 if sparse is None else sparse.shape[1], -1)
        sparse = None if sparse is None else sparse.expand(plan.batch_size, -1, -1)
        return fold(self.sequence(keep, sparse).gather(window)).unsqueeze(2)


def make_attn_bias(keep: Tensor | None, bias: Tensor | None, dtype: torch.dtype) -> Tensor | None:
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
