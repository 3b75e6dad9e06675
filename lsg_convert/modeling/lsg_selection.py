"""Selections: how the tokens of a head become the sparse entries of LSG (Local + Sparse + Global) attention.

Each selection turns T tokens into T / f entries (f = ``sparsity_factor``). A selection either picks tokens (``norm``,
``stride``, ``block_stride``) or averages runs of them (``pooling``, ``bos_pooling``, ``lsh``).
Masked tokens never contribute.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from .lsg_options import LSGOptions
from .lsg_windows import KeyMask

LSH_SEED = 123


class SparseEntries(NamedTuple):
    """The sparse entries of one layer.

    key, value: [B, H, E, D]. keep: bool, broadcastable to [B, H, E], or None when every entry may be attended.
    position: long, where each entry stands among the tokens: [E] or [H, E], or [B, H, E] if it depends on the data;
    None unless asked for. may_be_empty: whether entries may be masked though no token is.
    """

    key: Tensor
    value: Tensor
    keep: Tensor | None
    position: Tensor | None
    may_be_empty: bool = False


def select_entries(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_mask: KeyMask,
    options: LSGOptions,
    scale: float,
    with_position: bool = False,
) -> SparseEntries:
    """Select the sparse entries of query, key and value [B, H, T, D], the tokens only."""
    factor, kind, keep = options.sparsity_factor, options.sparsity_type, key_mask.tokens
    if factor == 1:
        position = torch.arange(key.shape[2], device=key.device) if with_position else None
        return SparseEntries(key, value, None if keep is None else keep[:, None], position)
    if kind == "norm":
        return _pick(key, value, keep, _largest_norms(key, keep, options))
    if kind in ("stride", "block_stride"):
        return _pick(key, value, keep, _strided_tokens(key, options))
    if kind == "pooling":
        return _pool_runs(key, value, keep, factor, with_position)
    # One bucket per run is no hashing: as the published package does, average by similarity to the first token then.
    if kind == "lsh" and factor < options.run_length:
        return _pool_buckets(key, value, keep, options, with_position)
    entries = _pool_by_first_query(query, key, value, keep, factor, scale, with_position)
    return entries._replace(keep=None) if options.attend_masked_runs else entries


def _pick(key: Tensor, value: Tensor, keep: Tensor | None, position: Tensor) -> SparseEntries:
    """Entries that are tokens: position is long [H, E] or [B, H, E]."""
    batch, heads, _, width = key.shape
    chosen = position.expand(batch, heads, -1)
    index = chosen[..., None].expand(-1, -1, -1, width)
    if keep is not None:
        keep = keep[:, None].expand(batch, heads, -1).gather(-1, chosen)
    return SparseEntries(key.gather(2, index), value.gather(2, index), keep, position)


@torch.no_grad()
def _largest_norms(key: Tensor, keep: Tensor | None, options: LSGOptions) -> Tensor:
    """Positions [B, H, E] of the 1/f tokens with the largest key norm in each run, by ascending norm."""
    run = options.run_length
    norm = torch.linalg.vector_norm(key, dim=-1)
    if keep is not None:
        norm = norm.masked_fill(~keep[:, None], -1.0)
    runs = norm.unflatten(-1, (-1, run))
    chosen = runs.topk(run // options.sparsity_factor, dim=-1).indices.flip(-1)
    start = torch.arange(runs.shape[2], device=key.device) * run
    return (chosen + start[:, None]).flatten(2)


def _strided_tokens(key: Tensor, options: LSGOptions) -> Tensor:
    """Positions [H, E] that depend on the head only, so that the heads share the tokens out among themselves."""
    block, factor = options.block_size, options.sparsity_factor
    heads = torch.arange(key.shape[1], device=key.device)[:, None]
    if options.sparsity_type == "stride":
        return torch.arange(0, key.shape[2], factor, device=key.device) + heads % factor
    step = block // factor
    entry = torch.arange(key.shape[2] // factor, device=key.device)
    return entry // step * block + entry % step + (heads * step) % block


def _pool_runs(key: Tensor, value: Tensor, keep: Tensor | None, factor: int, with_position: bool) -> SparseEntries:
    """Mean of the unmasked keys and values in each run of ``factor`` tokens; the position is the run's centre."""
    position = None
    if with_position:
        position = torch.arange(0, key.shape[2], factor, device=key.device) + factor // 2
    key, value = key.unflatten(2, (-1, factor)), value.unflatten(2, (-1, factor))
    if keep is None:
        return SparseEntries(key.mean(3), value.mean(3), None, position)
    kept = keep[:, None].unflatten(-1, (-1, factor))
    weight = kept / kept.sum(-1, keepdim=True).clamp(min=1)
    return SparseEntries(*_weighted_means(key, value, weight.to(key.dtype)), kept.any(-1), position)


def _pool_by_first_query(
    query: Tensor, key: Tensor, value: Tensor, keep: Tensor | None, factor: int, scale: float, with_position: bool
) -> SparseEntries:
    """Means of runs of ``factor`` tokens, weighted by how much the first token's query attends to each of them."""
    score = (key @ query[:, :, :1].transpose(-1, -2)).squeeze(-1).unflatten(-1, (-1, factor)) * scale
    kept = None
    if keep is not None:
        kept = keep[:, None].unflatten(-1, (-1, factor))
        score = score.masked_fill(~kept, torch.finfo(score.dtype).min)
        kept = kept.any(-1)
    weight = score.softmax(-1)
    position = _mean_position(weight[..., None], factor).flatten(-2) if with_position else None
    key, value = key.unflatten(2, (-1, factor)), value.unflatten(2, (-1, factor))
    return SparseEntries(*_weighted_means(key, value, weight), kept, position)


def _weighted_means(key: Tensor, value: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over runs: key, value [B, H, R, f, D] by weight [B, H or 1, R, f]; each [B, H, R, D]."""
    return (key * weight[..., None]).sum(3), (value * weight[..., None]).sum(3)


def _pool_buckets(
    key: Tensor, value: Tensor, keep: Tensor | None, options: LSGOptions, with_position: bool
) -> SparseEntries:
    """Means of similar tokens: the tokens of a run that hash to one of its run / f buckets."""
    run = options.run_length
    key, value = key.unflatten(2, (-1, run)), value.unflatten(2, (-1, run))
    kept = None if keep is None else keep[:, None].unflatten(-1, (-1, run))
    with torch.no_grad():
        member = _bucket_members(key, kept, run // options.sparsity_factor, options.lsh_num_pre_rounds)
        count = member.sum(3)
        weight = member / count.clamp(min=1)[:, :, :, None]
    mean = weight.transpose(-1, -2)
    position = _mean_position(member, run, count).flatten(2) if with_position else None
    return SparseEntries(
        (mean @ key).flatten(2, 3), (mean @ value).flatten(2, 3), (count > 0).flatten(2), position, True
    )


def _bucket_members(key: Tensor, kept: Tensor | None, num_buckets: int, num_pre_rounds: int) -> Tensor:
    """Which token is in which bucket: 0 or 1 in the dtype of key, [B, H, R, run, num_buckets]; masked tokens in none.

    key: [B, H, R, run, D]; kept: bool [B or 1, 1, R, run]. Rounds at full size merge near-duplicates first, then the
    sums of what they merged are hashed again. The generator is our own and starts anew at every call: the same input
    gives the same buckets, and the global random state is left alone.
    """
    _, heads, _, run, width = key.shape
    generator = torch.Generator().manual_seed(LSH_SEED)
    member = torch.eye(run, dtype=key.dtype, device=key.device)
    if kept is not None:
        member = member * kept[..., None]
    for size in [run] * num_pre_rounds + [num_buckets]:
        unit = functional.normalize(member.transpose(-1, -2) @ key, dim=-1)
        projection = torch.randn(heads, 1, width, size // 2, generator=generator).to(key)
        score = unit @ projection
        bucket = torch.cat([score, -score], dim=-1).argmax(-1, keepdim=True)
        member = member @ (bucket == torch.arange(size, device=key.device)).to(key.dtype)
    return member


def _mean_position(weight: Tensor, run: int, total: Tensor | None = None) -> Tensor:
    """Rounded mean positions, long [B, H, R, entries], for weights [B, H, R, run, entries] over the tokens of runs.

    total: what the weights of an entry add up to, [B, H, R, entries]; 1 unless given.
    """
    offset = torch.arange(run, device=weight.device, dtype=torch.float32)
    mean = (weight.float() * offset[:, None]).sum(-2)
    if total is not None:
        mean = mean / total.float().clamp(min=1)
    start = torch.arange(weight.shape[2], device=weight.device) * run
    return start[:, None] + (mean + 0.5).floor().long()
