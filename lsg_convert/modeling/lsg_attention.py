"""LSG (Local + Sparse + Global) attention, after Condevaux & Harispe, arXiv 2210.15497. Needs torch only.

The sequence is [G globals | T tokens]. Globals attend everything. Tokens attend by blocks of ``block_size``: block i
sees one *window* of keys under one softmax,

    globals | sparse entries on the left | sparse entries on the right | blocks i-1, i, i+1

where the sparse entries begin exactly where the three blocks end. Near the ends of the sequence windows are shorter, so
no key outside the sequence ever needs a mask. Nothing here is as large as T x T. Sequences of at most
``2 * block_size`` tokens are attended densely.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from .lsg_bias import PositionBias
from .lsg_cpp import attend_blocks_by_cpp, chooses_cpp
from .lsg_eager import is_eager_on_cpu
from .lsg_flex import chooses_flex, flex_attend_blocks
from .lsg_options import LSGOptions
from .lsg_scores import LayerCall, added_to_scores, fold
from .lsg_selection import select_entries
from .lsg_training import attend_blocks_to_train, trains_on_cpu
from .lsg_windows import KeyMask

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
    if key_mask.num_tokens <= options.dense_limit:
        call = LayerCall(key_mask, options, scale, dropout_p)
        bias = None
        if position_bias is not None:
            bias = position_bias.dense(key_mask.num_global_tokens, key_mask.num_tokens)
        return _attend(query, key, value, added_to_scores(key_mask.every_key, bias, query.dtype), call)

    entries = None
    if options.has_sparse:
        entries = select_entries(query, key, value, key_mask, options, scale, position_bias is not None)
    call = LayerCall(key_mask, options, scale, dropout_p, position_bias, entries)
    parts = _attend_parts(query, key, value, call)
    if torch.is_grad_enabled() or not is_eager_on_cpu(query.device):
        return torch.cat([part.transpose(1, 2) for part in parts], dim=1).transpose(1, 2)
    # The same, a part at a time: less memory is in use at once, and none of it in small pieces.
    context = torch.empty_like(query.transpose(1, 2), memory_format=torch.contiguous_format).transpose(1, 2)
    end = 0
    for part in parts:
        start, end = end, end + part.shape[2]
        context[:, :, start:end] = part
    return context


def _attend_parts(query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> Iterator[Tensor]:
    """Contexts [B, H, part, D] of the globals' queries, then of the tokens', in order."""
    num_globals = call.key_mask.num_global_tokens
    if num_globals:
        # A global's bias is the same for all keys and drops out of the softmax.
        mask = added_to_scores(call.key_mask.every_key, None, query.dtype)
        yield _attend(query[:, :, :num_globals], key, value, mask, call)
    if chooses_flex(call.options, call.dropout_p, call.position_bias is not None):
        yield flex_attend_blocks(query, key, value, call)
    elif trains_on_cpu(query, call):
        yield attend_blocks_to_train(query, key, value, call)
    elif chooses_cpp(query, key, value, call):
        yield from attend_blocks_by_cpp(query, key, value, call)
    else:
        yield from _attend_blocks(query, key, value, call)


def _attend_blocks(query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> Iterator[Tensor]:
    """Contexts of the tokens' queries, window by window: [B, H, num_blocks · block_size, D] each."""
    keys = call.sequence(key, None if call.entries is None else call.entries.key)
    values = call.sequence(value, None if call.entries is None else call.entries.value)
    for window in call.windows():
        count = window.num_blocks
        context = _attend(
            fold(query[:, :, call.queries(window)].unflatten(2, (count, -1))),
            fold(keys.see(window)),
            fold(values.see(window)),
            call.added(window, query.dtype),
            call,
        )
        yield context.unflatten(0, (-1, count)).transpose(1, 2).flatten(2, 3)


def _attend(query: Tensor, key: Tensor, value: Tensor, added: Tensor | None, call: LayerCall) -> Tensor:
    """Fused attention. added: what to add to scores, broadcastable to [B, H, Q, K]."""
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=added, dropout_p=call.dropout_p, scale=call.scale
    )
