"""Tokens of the input that are global: those that `global_attention_mask` marks. They attend to everything, and
everything attends to them, once: they stand behind the globals, and are neither local nor sparse tokens.
"""

import copy

import torch
from torch import Tensor
from torch.nn import functional

from .lsg_eager import is_captured
from .lsg_windows import AttentionPlan

# The library's heads hand on no mask but `attention_mask`: it holds both, 2 where a token is marked, and its type says
# that some may be, as no branch may depend on what is in it.
MERGED = torch.int8


def merge_masks(mask: Tensor | None, attention_mask: Tensor | None, *inputs: Tensor | None) -> Tensor | None:
    """A `global_attention_mask` and the other mask as one, [..., T]; padding is never marked. inputs: ids, embeddings.

    Raises:
        ValueError: it has another shape, or neither 0 nor 1 at a token that is no padding.
    """
    if mask is None:
        return attention_mask
    shape = next(part.shape[: mask.dim()] for part in (attention_mask, *inputs) if part is not None)
    if mask.shape != shape:
        raise ValueError(f"global_attention_mask has shape {tuple(mask.shape)}, the tokens have {tuple(shape)}.")
    kept = torch.ones_like(mask, dtype=torch.bool) if attention_mask is None else attention_mask != 0
    wrong = kept & (mask != 0) & (mask != 1)
    if not is_captured() and bool(wrong.any()):
        raise ValueError(f"global_attention_mask holds {mask[wrong][0].item()}; it takes 1 for global tokens, else 0.")
    return kept.to(MERGED) + (kept & (mask == 1))


def marked_tokens(attention_mask: Tensor | None, padding: int = 0) -> Tensor | None:
    """Bool [batch, T + padding], of a mask that holds both; None of any other."""
    if attention_mask is None or attention_mask.dtype != MERGED:
        return None
    return functional.pad(torch.eq(attention_mask, 2), (0, padding))


def mark_tokens(plan: AttentionPlan, marked: Tensor | None) -> None:
    """Let the tokens at which bool [B, T] is True be global. Below the dense limit of blocks all are, so to speak."""
    if marked is None or (plan.is_dense and plan.half_window is None):
        return
    num_globals, device = plan.num_globals, plan.device
    every = torch.arange(num_globals + plan.num_tokens, device=device).expand(plan.batch_size, -1)
    keep = torch.ones_like(every, dtype=torch.bool) if plan.keep is None else plan.keep.expand_as(every)
    marked = plan.arrange(marked)[:, -plan.num_tokens :] & keep[:, num_globals:]
    # A graph may not depend on how many there are: in one, every token has a place among them.
    most = plan.num_tokens if is_captured() else int(marked.sum(1).max())
    if not most:
        return
    position = marked.byte().argsort(dim=1, descending=True, stable=True)[:, :most]
    inner = copy.copy(plan)
    inner.marked, inner.marked_position = marked, position
    inner.num_globals, inner.padded = num_globals + most, True
    keep_marked = marked.gather(1, position)
    inner.keep = torch.cat([keep[:, :num_globals], keep_marked, keep[:, num_globals:] & ~marked], 1)
    inner.keeps_globals = plan.keeps_globals and not is_captured() and bool(keep_marked.all())
    inner.rows = torch.cat([every[:, :num_globals], position + num_globals, every[:, num_globals:]], 1)
    found = torch.where(marked, marked.cumsum(1) + (num_globals - 1), every[:, num_globals:] + most)
    inner.rows_back = torch.cat([every[:, :num_globals], found], 1)
    inner.make_windows()
    plan.marked, plan.with_marked = marked, inner


def take_rows(sequence: Tensor, rows: Tensor) -> Tensor:
    """[B, H, R, D], those at long [B, R] of a sequence [B, H, L, D]."""
    batch, heads, length, width = sequence.shape
    rows = rows + torch.arange(batch, device=rows.device)[:, None] * length
    found = sequence.transpose(1, 2).reshape(batch * length, heads * width).index_select(0, rows.flatten())
    return found.view(batch, -1, heads, width).transpose(1, 2)
