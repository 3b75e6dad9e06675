"""LSG (Local + Sparse + Global) attention, after Condevaux & Harispe, arXiv 2210.15497. Needs torch only.

The sequence is [G globals | T tokens]. Globals attend everything. Tokens attend by blocks of ``block_size``: block i
sees one *window* of keys under one softmax,

    globals | sparse entries on the left | sparse entries on the right | blocks i-1, i, i+1

where the sparse entries begin exactly where the three blocks end. Near the ends of the sequence windows are shorter, so
no key outside the sequence ever needs a mask. Nothing here is as large as T x T. Sequences of at most
``2 * block_size`` tokens are attended densely.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from .lsg_bias import PositionBias
from .lsg_flex import chooses_flex, flex_attend_blocks
from .lsg_options import LSGOptions
from .lsg_selection import SparseEntries, select_entries
from .lsg_windows import KeyMask, Sequence, Window, is_eager_on_cpu

__all__ = ["KeyMask", "LSGOptions", "PositionBias", "lsg_attention"]


def lsg_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_mask: KeyMask,
    options: LSGOptions,
    scale: float,
    dropout_p: float = 0.0,
    position_bias: PositionBias | None = None,
) -> Tensor:
    """Attention context [B, H, G + T, D] of query, key and value [B, H, G + T, D].

    T is at most ``2 * block_size`` or a multiple of ``block_size``. The result is a transposed view of a
    [B, G + T, H, D] tensor, so that merging the heads is free.
    """
    num_globals, num_tokens = key_mask.num_global_tokens, key_mask.num_tokens
    if num_tokens <= options.dense_limit:
        bias = None if position_bias is None else position_bias.dense(num_globals, num_tokens)
        return _attend(query, key, value, key_mask.every_key, bias, scale, dropout_p)

    entries = None
    if options.has_sparse:
        entries = select_entries(query, key, value, key_mask, options, scale, position_bias is not None)
    parts = _attend_parts(query, key, value, entries, key_mask, options, scale, dropout_p, position_bias)
    if torch.is_grad_enabled() or not is_eager_on_cpu(query.device):
        return torch.cat([part.transpose(1, 2) for part in parts], dim=1).transpose(1, 2)
    # The same, a part at a time: less memory is in use at once, and none of it in small pieces.
    context = torch.empty_like(query.transpose(1, 2), memory_format=torch.contiguous_format).transpose(1, 2)
    end = 0
    for part in parts:
        start, end = end, end + part.shape[2]
        context[:, :, start:end] = part
    return context


def _attend_parts(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    entries: SparseEntries | None,
    key_mask: KeyMask,
    options: LSGOptions,
    scale: float,
    dropout_p: float,
    position_bias: PositionBias | None,
) -> Iterator[Tensor]:
    """Contexts [B, H, part, D] of the globals' queries, then of the tokens', in order."""
    num_globals = key_mask.num_global_tokens
    if num_globals:
        # A global's bias is the same for all keys and drops out of the softmax.
        yield _attend(query[:, :, :num_globals], key, value, key_mask.every_key, None, scale, dropout_p)
    if chooses_flex(options, dropout_p, position_bias is not None):
        yield flex_attend_blocks(query, key, value, entries, key_mask, options, scale)
    elif not dropout_p and position_bias is None and _can_recompute(query):
        found = (None, None) if entries is None else (entries.key, entries.value)
        yield _Recomputed.apply(query, key, value, *found, entries, key_mask, options, scale)
    else:
        yield from _attend_blocks(query, key, value, entries, key_mask, options, scale, dropout_p, position_bias)


def _attend_blocks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    entries: SparseEntries | None,
    key_mask: KeyMask,
    options: LSGOptions,
    scale: float,
    dropout_p: float,
    position_bias: PositionBias | None,
) -> Iterator[Tensor]:
    """Contexts of the tokens' queries, window by window: [B, H, num_blocks · block_size, D] each."""
    num_globals = key_mask.num_global_tokens
    keys = Sequence(key, None if entries is None else entries.key, num_globals, options)
    values = Sequence(value, None if entries is None else entries.value, num_globals, options)
    for window in key_mask.windows(options):
        first, count = num_globals + window.block * options.block_size, window.num_blocks
        blocks = query[:, :, first : first + count * options.block_size]
        context = _attend(
            _fold(blocks.unflatten(2, (count, -1))),
            _fold(keys.see(window)),
            _fold(values.see(window)),
            _kept(key_mask, entries, window, options),
            _bias(position_bias, key_mask, entries, window, options),
            scale,
            dropout_p,
        )
        yield context.unflatten(0, (-1, count)).transpose(1, 2).flatten(2, 3)


class _Recomputed(torch.autograd.Function):
    """Training on a CPU: `_attend_blocks`, save that gradients gather the windows anew, so that none is kept.

    It calls the kernel behind `scaled_dot_product_attention`, whose log-sum-exp of the scores it needs.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        entry_key: Tensor | None,
        entry_value: Tensor | None,
        entries: SparseEntries | None,
        key_mask: KeyMask,
        options: LSGOptions,
        scale: float,
    ) -> Tensor:
        """Context [B, H, T, D] of the tokens' queries."""
        num_globals, block = key_mask.num_global_tokens, options.block_size
        keys, values = (
            Sequence(key, entry_key, num_globals, options),
            Sequence(value, entry_value, num_globals, options),
        )
        context = query.new_empty(query.shape[0], key_mask.num_tokens, query.shape[1], query.shape[3]).transpose(1, 2)
        ctx.masks, sums = [], []
        for window in key_mask.windows(options):
            keep = _kept(key_mask, entries, window, options)
            ctx.masks.append(None if keep is None else _additive(keep, None, query.dtype))
            first = window.block * block
            part, total = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                query[:, :, num_globals + first : num_globals + first + block],
                keys.see(window).squeeze(2),
                values.see(window).squeeze(2),
                attn_mask=ctx.masks[-1],
                scale=scale,
            )
            context[:, :, first : first + block] = part
            sums.append(total)
        ctx.save_for_backward(query, key, value, entry_key, entry_value, context, torch.stack(sums))
        ctx.call = (key_mask, options, scale)
        return context

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of query, key, value and the entries' keys and values."""
        query, key, value, entry_key, entry_value, context, sums = ctx.saved_tensors
        key_mask, options, scale = ctx.call
        num_globals, block = key_mask.num_global_tokens, options.block_size
        keys, values = (
            Sequence(key, entry_key, num_globals, options),
            Sequence(value, entry_value, num_globals, options),
        )
        of_query, of_key, of_value = (torch.zeros_like(part) for part in (query, key, value))
        of_entries = [None if part is None else torch.zeros_like(part) for part in (entry_key, entry_value)]
        into_keys = Sequence(of_key, of_entries[0], num_globals, options)
        into_values = Sequence(of_value, of_entries[1], num_globals, options)
        for window, mask, total in zip(key_mask.windows(options), ctx.masks, sums, strict=True):
            first = window.block * block
            queries = slice(num_globals + first, num_globals + first + block)
            of_block, of_keys, of_values = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
                gradient[:, :, first : first + block],
                query[:, :, queries],
                keys.see(window).squeeze(2),
                values.see(window).squeeze(2),
                context[:, :, first : first + block],
                total,
                0.0,
                False,
                attn_mask=mask,
                scale=scale,
            )
            of_query[:, :, queries] = of_block
            into_keys.give_back(window, of_keys)
            into_values.give_back(window, of_values)
        return of_query, of_key, of_value, *of_entries, None, None, None, None


def _can_recompute(query: Tensor) -> bool:
    """Whether gradients are wanted, on a CPU, and torch has the kernel by itself."""
    kernel = "_scaled_dot_product_flash_attention_for_cpu"
    has_kernel = hasattr(torch.ops.aten, kernel) and hasattr(torch.ops.aten, kernel + "_backward")
    has_kernel = has_kernel and query.dtype in (torch.float32, torch.bfloat16)
    return has_kernel and torch.is_grad_enabled() and query.requires_grad and is_eager_on_cpu(query.device)


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    keep: Tensor | None,
    bias: Tensor | None,
    scale: float,
    dropout_p: float,
) -> Tensor:
    """Fused attention. keep: bool, broadcastable to [B, H, Q, K]."""
    mask = bias if keep is None else _additive(keep, bias, query.dtype)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout_p, scale=scale)


def _additive(keep: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
    """What to add to scores: the bias where keys are kept. It is finite, which keeps fully masked rows finite."""
    unmasked = torch.zeros((), dtype=dtype, device=keep.device) if bias is None else bias.to(dtype)
    return torch.where(keep, unmasked, torch.finfo(dtype).min)


def _fold(blocks: Tensor) -> Tensor:
    """Blocks into the batch: [B, H, num_blocks, ...] -> [B * num_blocks, H, ...]."""
    return blocks.transpose(1, 2).flatten(0, 1)


def _kept(key_mask: KeyMask, entries: SparseEntries | None, window: Window, options: LSGOptions) -> Tensor | None:
    """Which keys the blocks may attend, bool [B * num_blocks, H or 1, 1, W]; None where that is all."""
    may_be_empty = entries is not None and entries.may_be_empty
    if not window.masked and not may_be_empty:
        return None
    num_keys = key_mask.num_global_tokens + key_mask.num_tokens
    all_kept = torch.ones(1, 1, dtype=torch.bool, device=key_mask.device)
    keep = all_kept.expand(1, num_keys) if key_mask.keep is None else key_mask.keep
    sparse = None
    if entries is not None:
        sparse = all_kept[None].expand(1, 1, entries.key.shape[2]) if entries.keep is None else entries.keep
    keep = keep[:, None].expand(key_mask.batch_size, 1 if sparse is None else sparse.shape[1], -1)
    sparse = None if sparse is None else sparse.expand(key_mask.batch_size, -1, -1)
    return _fold(Sequence(keep, sparse, key_mask.num_global_tokens, options).see(window)).unsqueeze(2)


def _bias(
    position_bias: PositionBias | None,
    key_mask: KeyMask,
    entries: SparseEntries | None,
    window: Window,
    options: LSGOptions,
) -> Tensor | None:
    """Bias of the blocks' queries and the keys they see, [B * num_blocks or 1, H, block_size, W]."""
    if position_bias is None:
        return None
    sparse = None if entries is None else entries.position
    if sparse is None or sparse.dim() < 3:
        # Positions that do not depend on the data shift along with the blocks: one block's bias serves all.
        window = window._replace(num_blocks=1)
    tokens = torch.arange(key_mask.num_tokens, device=position_bias.globals.device)
    queries = tokens[window.block * options.block_size :][: window.num_blocks * options.block_size]
    keys = tokens[None, None]
    if sparse is not None:
        sparse = sparse.reshape(*[1] * (3 - sparse.dim()), *sparse.shape)
        keys = keys.expand(*sparse.shape[:2], -1)
    keys = Sequence(keys, sparse, 0, options).see(window)
    queries = queries.unflatten(0, (window.num_blocks, -1))
    return _fold(position_bias.window(queries, keys, key_mask.num_global_tokens, key_mask.num_tokens))
