"""LSG (Local + Sparse + Global) attention, after Condevaux & Harispe, arXiv 2210.15497. Needs torch only.

The sequence is [G globals | T tokens]. Globals attend to everything. Tokens attend by blocks of ``block_size``: block i
has one *window* of keys under one softmax,

    globals | sparse tokens on the left | sparse tokens on the right | blocks i-1, i, i+1

where the sparse tokens begin exactly where the three blocks end. Near the ends of the sequence windows are shorter, so
no key outside the sequence ever needs a mask. Nothing here is as large as T x T. In sequences of at most
``2 * block_size`` tokens every token attends to every other. With ``sliding`` attention a window has the bands of its
queries in place of the three blocks, see `lsg_sliding`.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from .lsg_cpp import attend_by_cpp, cpp_obstacle
from .lsg_eager import is_eager_on_cpu
from .lsg_flex import attend_by_flex, flex_obstacle
from .lsg_graph import holds, pad_rows
from .lsg_marked import take_rows
from .lsg_options import LSGOptions
from .lsg_scores import LayerCall, fold
from .lsg_selection import select_sparse_tokens
from .lsg_training import attend_to_train, training_obstacle
from .lsg_windows import AttentionPlan

__all__ = ["BACKENDS", "AttentionPlan", "LSGOptions", "lsg_attention"]


def lsg_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    plan: AttentionPlan,
    scale: float,
    dropout_p: float = 0.0,
    position_bias: Any = None,
) -> Tensor:
    """Attention context [B, H, G + T, D] of query, key and value [B, H, G + T, D]: in a graph, of T tokens or fewer.

    The result is a transposed view of a [B, G + T, H, D] tensor, so that merging the heads is free.

    Raises:
        ValueError: the backend that the options ask for cannot compute this.
    """
    missing = plan.num_globals + plan.num_tokens - query.shape[2]
    if not holds(missing == 0):
        query, key, value = (pad_rows(part, missing) for part in (query, key, value))
        return pad_rows(lsg_attention(query, key, value, plan, scale, dropout_p, position_bias), -missing)
    inner = plan.with_marked
    if inner is not None and not plan.is_dense:
        query, key, value = (take_rows(part, inner.rows) for part in (query, key, value))
        return take_rows(lsg_attention(query, key, value, inner, scale, dropout_p, position_bias), inner.rows_back)
    call = LayerCall(plan, scale, dropout_p)
    if position_bias is not None:
        call = position_bias.added_to(call)
    if plan.is_dense:
        return _sdpa(query, key, value, call.dense_attn_bias(query.dtype, query, key), call)
    if plan.options.has_sparse:
        call = replace(call, sparse=select_sparse_tokens(query, key, value, plan, scale))
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
    if call.plan.num_globals:
        bias = call.dense_attn_bias(query.dtype, query[:, :, : call.plan.num_globals], key, globals_only=True)
        yield _sdpa(query[:, :, : call.plan.num_globals], key, value, bias, call)
    yield from _choose_backend(query, key, value, call).attend(query, key, value, call)


def _attend_by_sdpa(query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> Iterator[Tensor]:
    """Contexts of the tokens' queries, window by window: [B, H, num_blocks · block_size, D] each."""
    keys = call.sequence(key, None if call.sparse is None else call.sparse.key)
    values = call.sequence(value, None if call.sparse is None else call.sparse.value)
    for window in call.plan.windows if call.by_content else call.plan.shared_windows:
        block = (
            fold(query[:, :, call.plan.queries(window)].unflatten(2, (-1, call.plan.options.block_size))),
            fold(keys.gather(window)),
        )
        bias = call.attn_bias(window, query.dtype, *block)
        context = _sdpa(*block, fold(values.gather(window)), bias, call)
        yield context.unflatten(0, (-1, window.num_blocks)).transpose(1, 2).flatten(2, 3)


def _sdpa(query: Tensor, key: Tensor, value: Tensor, attn_bias: Tensor | None, call: LayerCall) -> Tensor:
    """Fused attention; attn_bias is broadcastable to [B, H, Q, K]."""
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=attn_bias, dropout_p=call.dropout_p, scale=call.scale
    )


class Backend(NamedTuple):
    """One way to compute the contexts of the tokens' queries.

    obstacle: why it cannot compute a call; None if it can.
    attend: contexts [B, H, some tokens, D] in order, of query, key and value [B, H, G + T, D].
    automatic: whether it may serve without being asked for.
    required: asked for by name, it serves or raises; else the automatic choice serves what it cannot compute.
    """

    obstacle: Callable[[Tensor, Tensor, Tensor, LayerCall], str | None]
    attend: Callable[[Tensor, Tensor, Tensor, LayerCall], Iterator[Tensor]]
    automatic: bool = False
    required: bool = False


BACKENDS = {
    "flex": Backend(flex_obstacle, attend_by_flex, required=True),
    "cpp": Backend(cpp_obstacle, attend_by_cpp),
    "training": Backend(training_obstacle, attend_to_train, automatic=True),
    "sdpa": Backend(lambda *_: None, _attend_by_sdpa, automatic=True),
}


def _choose_backend(query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> Backend:
    """The backend that the options name if it can compute the call, else the first automatic one that can.

    Raises:
        ValueError: the named backend is required and cannot.
    """
    name = call.plan.options.attention_backend
    asked = BACKENDS.get(name)
    if asked is not None and not asked.automatic:
        obstacle = asked.obstacle(query, key, value, call)
        if obstacle is None:
            return asked
        if asked.required:
            raise ValueError(f"attention_backend={name!r}: {obstacle}; choose 'auto' or 'sdpa'.")
    automatic = (backend for backend in BACKENDS.values() if backend.automatic)
    return next(backend for backend in automatic if backend.obstacle(query, key, value, call) is None)
