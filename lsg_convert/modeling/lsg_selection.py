"""Selections: how the tokens of a head become the sparse tokens of LSG (Local + Sparse + Global) attention.

Each selection turns T tokens into T / f sparse tokens (f = ``sparsity_factor``). It either picks tokens (``norm``,
``stride``, ``block_stride``) or averages some of them (``pooling``, ``bos_pooling``, ``lsh``). Masked tokens never
contribute. Inside, tensors are laid out as the projections leave them, [B, T, H, D], which is what makes this cheap.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .lsg_hashing import select_lsh
from .lsg_pooling import select_bos_pooling, select_pooling
from .lsg_sparse import Projections, SparseTokens
from .lsg_windows import AttentionPlan


def select_sparse_tokens(query: Tensor, key: Tensor, value: Tensor, plan: AttentionPlan, scale: float) -> SparseTokens:
    """Select the sparse tokens among the tokens of query, key and value [B, H, G + T, D]."""
    options = plan.options
    select = _keep_every_token if options.sparsity_factor == 1 else SELECTIONS[options.sparsity_type]
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))
    found = select(Projections(query, key, value, plan, scale))
    return found._replace(key=found.key.transpose(1, 2), value=found.value.transpose(1, 2))


def _keep_every_token(of: Projections) -> SparseTokens:
    """Factor 1: the sparse tokens are the tokens."""
    keep = None if of.plan.tokens is None else of.plan.tokens[:, None]
    position = torch.arange(of.plan.num_tokens, device=of.key.device)
    return SparseTokens(of.tokens(of.key), of.tokens(of.value), keep, position)


def _select_norm(of: Projections) -> SparseTokens:
    """The tokens with the largest key norms."""
    return _pick(of, _largest_norms(of))


def _select_strided(of: Projections) -> SparseTokens:
    """Tokens at positions that depend on the head only."""
    return _pick(of, _strided_positions(of.plan, of.key.shape[2], of.key.device))


def _pick(of: Projections, position: Tensor) -> SparseTokens:
    """Sparse tokens that are tokens; position is long [H, S] or [B, H, S]."""
    batch, length, heads, width = of.key.shape
    chosen = position.expand(batch, heads, -1)
    keep = of.plan.tokens
    if keep is not None:
        keep = keep[:, None].expand(batch, heads, -1).gather(-1, chosen)
    start = torch.arange(batch, device=of.key.device)[:, None, None] * length + of.plan.num_globals
    row = (start + chosen.transpose(1, 2)) * heads + torch.arange(heads, device=of.key.device)
    key, value = (
        part.reshape(-1, width).index_select(0, row.flatten()).view(*row.shape, width) for part in (of.key, of.value)
    )
    return SparseTokens(key, value, keep, position)


@torch.no_grad()
def _largest_norms(of: Projections) -> Tensor:
    """Positions [B, H, S] of the 1/f tokens with the largest key norm in each segment, by ascending norm."""
    options, tokens = of.plan.options, of.plan.tokens
    length = options.segment_length
    norm = torch.linalg.vector_norm(of.tokens(of.key), dim=-1).transpose(1, 2)
    if tokens is not None:
        norm = norm.masked_fill(~tokens[:, None], -1.0)
    segments = norm.unflatten(-1, (-1, length))
    chosen = segments.topk(length // options.sparsity_factor, dim=-1).indices.flip(-1)
    start = torch.arange(segments.shape[2], device=norm.device) * length
    return (chosen + start[:, None]).flatten(2)


def _strided_positions(plan: AttentionPlan, num_heads: int, device: torch.device) -> Tensor:
    """Positions [H, S] that depend on the head only, so that the heads share the tokens out among themselves."""
    options = plan.options
    block, factor = options.block_size, options.sparsity_factor
    heads = torch.arange(num_heads, device=device)[:, None]
    if options.sparsity_type == "stride":
        return torch.arange(0, plan.num_tokens, factor, device=device) + heads % factor
    index = torch.arange(plan.num_tokens // factor, device=device)
    return index // options.step * block + index % options.step + (heads * options.step) % block


SELECTIONS: dict[str, Callable[[Projections], SparseTokens]] = {
    "norm": _select_norm,
    "pooling": select_pooling,
    "bos_pooling": select_bos_pooling,
    "lsh": select_lsh,
    "stride": _select_strided,
    "block_stride": _select_strided,
}
