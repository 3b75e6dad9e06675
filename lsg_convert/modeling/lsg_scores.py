"""One call of LSG attention: which keys a window's queries attend to, and what is added to their scores."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .lsg_sequence import Sequence
from .lsg_sliding import keep_band, slides
from .lsg_sparse import SparseTokens
from .lsg_windows import AttentionPlan, Window


@dataclass(frozen=True)
class LayerCall:
    """One call of the attention, but for queries, keys and values. What is added to its scores is its masks."""

    plan: AttentionPlan
    scale: float
    dropout_p: float = 0.0
    sparse: SparseTokens | None = None
    by_content: bool = False  # whether what is added depends on a block's queries and keys too

    def sequence(self, sequence: Tensor, sparse: Tensor | None) -> Sequence:
        """Keys or values [B, H, G + T, D] and their sparse tokens [B, H, S, D], to be gathered window by window."""
        return Sequence(sequence, sparse, self.plan.num_globals, self.plan.options)

    def attn_bias(self, window: Window, dtype: torch.dtype, *block: Tensor) -> Tensor | None:
        """What to add to the scores of a window, broadcastable to [B · num_blocks, H, block_size, W]; None where that
        is nothing.
        """
        return mask_bias(self.kept(window), dtype, self.global_bias(window, dtype))

    def global_bias(self, window: Window, dtype: torch.dtype) -> Tensor | None:
        """Its part that depends on the globals alone, [1, 1, 1, W]; None where that is nothing."""
        bias = self.plan.global_bias
        if bias is None:
            return None
        spans = (window.local, window.left, window.right)
        num_keys = self.plan.num_globals + sum(last - first for first, last in spans)
        return functional.pad(bias.to(dtype), (0, num_keys - len(bias)))[None, None, None]

    def dense_attn_bias(self, dtype: torch.dtype, *block: Tensor, globals_only: bool = False) -> Tensor | None:
        """The same where all queries (or the globals') attend to every key, broadcastable to [B, H, G + T, G + T]."""
        return mask_bias(self.plan.every_key, dtype)

    def bias_tensors(self) -> tuple[Tensor, ...]:
        """What may be trained of that which is added: of masks nothing."""
        return ()

    def accumulate_bias_grad(self, window: Window, gradient: Tensor, *block_and_grads: Tensor) -> None:
        """Add the gradient [B, H, block_size, W] of a block's scores to those of its query, key and `bias_tensors`."""

    def kept(self, window: Window) -> Tensor | None:
        """Which keys the blocks may attend to, bool, broadcastable to [B · num_blocks, H, block_size, W]; None where
        that is all.
        """
        if slides(self.plan):
            return keep_band(self._kept_keys(window), self.plan, window)
        return self._kept_keys(window)

    def _kept_keys(self, window: Window) -> Tensor | None:
        """Which keys of the blocks are kept, bool [B · num_blocks, H or 1, 1, W]; None where all are."""
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
        blocks = self.sequence(keep, sparse).gather(window).transpose(1, 2)
        # In a layout that does not show how many heads there were.
        return blocks.clone(memory_format=torch.contiguous_format).flatten(0, 1).unsqueeze(2)


def mask_bias(keep: Tensor | None, dtype: torch.dtype, bias: Tensor | None = None) -> Tensor | None:
    """The bias (0 if there is none) where keys are kept, and elsewhere a number so small that nothing is left of them.

    It is finite, which keeps fully masked rows finite.
    """
    if keep is None:
        return bias
    unmasked = torch.zeros((), dtype=dtype, device=keep.device) if bias is None else bias.to(dtype)
    return torch.where(keep, unmasked, torch.finfo(dtype).min)


def fold(blocks: Tensor) -> Tensor:
    """Blocks into the batch: [B, H, num_blocks, ...] -> [B * num_blocks, H, ...]."""
    return blocks.transpose(1, 2).flatten(0, 1)
