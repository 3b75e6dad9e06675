"""Selections: how the tokens of a head become the sparse entries of LSG (Local + Sparse + Global) attention.

Each selection turns T tokens into T / f entries (f = ``sparsity_factor``). A selection either picks tokens (``norm``,
``stride``, ``block_stride``) or averages some of them (``pooling``, ``bos_pooling``, ``lsh``). Masked tokens never
contribute. Inside, tensors are laid out as the projections leave them, [B, T, H, D], which is what makes this cheap.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .lsg_eager import is_eager_on_cpu
from .lsg_options import LSGOptions
from .lsg_windows import KeyMask

LSH_SEED = 123
_RUNS_AT_ONCE = 8


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
    """Select the sparse entries among the tokens of query, key and value [B, H, G + T, D]."""
    factor, kind = options.sparsity_factor, options.sparsity_type
    if kind == "norm" and factor > 1:
        return _pick(key, value, key_mask, _largest_norms(key, key_mask, options))
    if kind in ("stride", "block_stride") and factor > 1:
        return _pick(key, value, key_mask, _strided_tokens(key, key_mask.num_tokens, options))

    query, key, value = (part.transpose(1, 2)[:, key_mask.num_global_tokens :] for part in (query, key, value))
    if factor == 1:
        keep = None if key_mask.tokens is None else key_mask.tokens[:, None]
        position = torch.arange(key_mask.num_tokens, device=key.device) if with_position else None
        entries = SparseEntries(key, value, keep, position)
    elif kind == "pooling":
        entries = _pool_runs(key, value, key_mask, factor, with_position)
    # One bucket per run is no hashing: as the published package does, average by similarity to the first token then.
    elif kind == "lsh" and factor < options.run_length:
        entries = _pool_buckets(key, value, key_mask.tokens, options, with_position)
    else:
        entries = _pool_by_first_query(query, key, value, key_mask.tokens, factor, scale, with_position)
        if options.attend_masked_runs:
            entries = SparseEntries(entries.key, entries.value, None, entries.position)
    key, value, keep, position, may_be_empty = entries
    return SparseEntries(key.transpose(1, 2), value.transpose(1, 2), keep, position, may_be_empty)


def _pick(key: Tensor, value: Tensor, key_mask: KeyMask, position: Tensor) -> SparseEntries:
    """Entries that are tokens, of key and value [B, H, G + T, D]; position is long [H, E] or [B, H, E]."""
    batch, heads, length, width = key.shape
    chosen = position.expand(batch, heads, -1)
    keep = key_mask.tokens
    if keep is not None:
        keep = keep[:, None].expand(batch, heads, -1).gather(-1, chosen)
    document = torch.arange(batch, device=key.device)[:, None, None] * length + key_mask.num_global_tokens
    row = (document + chosen.transpose(1, 2)) * heads + torch.arange(heads, device=key.device)
    picked = [
        rows.transpose(1, 2).reshape(-1, width).index_select(0, row.flatten()).view(*row.shape, width).transpose(1, 2)
        for rows in (key, value)
    ]
    return SparseEntries(picked[0], picked[1], keep, position)


@torch.no_grad()
def _largest_norms(key: Tensor, key_mask: KeyMask, options: LSGOptions) -> Tensor:
    """Positions [B, H, E] of the 1/f tokens with the largest key norm in each run, by ascending norm."""
    run = options.run_length
    norm = torch.linalg.vector_norm(key.transpose(1, 2)[:, key_mask.num_global_tokens :], dim=-1).transpose(1, 2)
    if key_mask.tokens is not None:
        norm = norm.masked_fill(~key_mask.tokens[:, None], -1.0)
    runs = norm.unflatten(-1, (-1, run))
    chosen = runs.topk(run // options.sparsity_factor, dim=-1).indices.flip(-1)
    start = torch.arange(runs.shape[2], device=key.device) * run
    return (chosen + start[:, None]).flatten(2)


def _strided_tokens(key: Tensor, num_tokens: int, options: LSGOptions) -> Tensor:
    """Positions [H, E] that depend on the head only, so that the heads share the tokens out among themselves."""
    block, factor = options.block_size, options.sparsity_factor
    heads = torch.arange(key.shape[1], device=key.device)[:, None]
    if options.sparsity_type == "stride":
        return torch.arange(0, num_tokens, factor, device=key.device) + heads % factor
    entry = torch.arange(num_tokens // factor, device=key.device)
    return entry // options.step * block + entry % options.step + (heads * options.step) % block


def _pool_runs(key: Tensor, value: Tensor, key_mask: KeyMask, factor: int, with_position: bool) -> SparseEntries:
    """Mean of the unmasked keys and values [B, T, H, D] in each run of ``factor``; the position is the run's centre."""
    position = None
    if with_position:
        position = torch.arange(0, key.shape[1], factor, device=key.device) + factor // 2
    keep = key_mask.tokens
    if keep is None:
        return SparseEntries(_run_sums(key, factor) / factor, _run_sums(value, factor) / factor, None, position)
    kept = keep.unflatten(1, (-1, factor))
    share = (kept / kept.sum(2, keepdim=True).clamp(min=1)).to(key.dtype)[..., None]
    # Without padding it is only the first run that is not a plain mean.
    weighted = key.shape[1] if key_mask.padded else factor
    pooled = []
    for tokens in (key, value):
        parts = [_run_sums(tokens[:, :weighted], factor, share[:, : weighted // factor])]
        if weighted < tokens.shape[1]:
            parts.append(_run_sums(tokens[:, weighted:], factor) / factor)
        pooled.append(torch.cat(parts, dim=1) if len(parts) > 1 else parts[0])
    return SparseEntries(pooled[0], pooled[1], kept.any(2)[:, None], position)


def _pool_by_first_query(
    query: Tensor, key: Tensor, value: Tensor, keep: Tensor | None, factor: int, scale: float, with_position: bool
) -> SparseEntries:
    """Means of runs of ``factor`` tokens [B, T, H, D], weighted by how much the first token's query attends to each."""
    score = (key.transpose(1, 2) @ query[:, 0, :, :, None]).squeeze(-1).transpose(1, 2).unflatten(
        1, (-1, factor)
    ) * scale
    kept = None
    if keep is not None:
        runs = keep.unflatten(1, (-1, factor))
        score = score.masked_fill(~runs[..., None], torch.finfo(score.dtype).min)
        kept = runs.any(2)[:, None]
    share = score.softmax(2)
    position = None
    if with_position:
        offset = torch.arange(factor, device=key.device, dtype=torch.float32)
        position = _place((share.float() * offset[:, None]).sum(2).transpose(1, 2), factor)
    return SparseEntries(_run_sums(key, factor, share), _run_sums(value, factor, share), kept, position)


def _run_sums(tokens: Tensor, factor: int, share: Tensor | None = None) -> Tensor:
    """Sums [B, T / f, H, D] over runs of tokens [B, T, H, D], weighted by share [B or 1, T / f, f, H or 1].

    One addition after the other over strided views: many times faster than a reduction over so short a dimension.
    """
    parts = tokens.unflatten(1, (-1, factor)).unbind(2)
    dtype = torch.promote_types(tokens.dtype, torch.float32)
    if share is None:
        total = parts[0].to(dtype)
        for part in parts[1:]:
            total = total + part
    else:
        shares = share[..., None].unbind(2)
        total = parts[0] * shares[0].to(dtype)
        for part, weight in zip(parts[1:], shares[1:], strict=True):
            total = (
                torch.addcmul(total, part, weight.to(dtype)) if part.dtype == dtype else total + part * weight.to(dtype)
            )
    return total.to(tokens.dtype)


def _pool_buckets(
    key: Tensor, value: Tensor, keep: Tensor | None, options: LSGOptions, with_position: bool
) -> SparseEntries:
    """Means of similar tokens of key and value [B, T, H, D]: those in one of the run / f buckets of their run."""
    run, size = options.run_length, options.run_length // options.sparsity_factor
    sizes = [run] * options.lsh_num_pre_rounds + [size]
    projections = [
        _projection(*key.shape[2:], round_size // 2, LSH_SEED + done, key.device).to(key.dtype)
        for done, round_size in enumerate(sizes)
    ]
    # On a CPU some runs after the other: what they need stays in its cache, and is never much.
    at_once = run * _RUNS_AT_ONCE if is_eager_on_cpu(key.device) else key.shape[1]
    parts = [part.split(at_once, dim=1) for part in (key, value)]
    kept = [None] * len(parts[0]) if keep is None else keep.split(at_once, dim=1)
    pooled = [_pool_some(*some, projections, run, size, with_position) for some in zip(*parts, kept, strict=True)]
    keys, values, filled, means = zip(*pooled, strict=True)
    position = _place(torch.cat(means, dim=1).transpose(1, 2), run, size) if with_position else None
    keep = torch.cat(filled, dim=1).transpose(1, 2)
    return SparseEntries(torch.cat(keys, dim=1), torch.cat(values, dim=1), keep, position, may_be_empty=True)


def _pool_some(
    key: Tensor,
    value: Tensor,
    keep: Tensor | None,
    projections: list[Tensor],
    run: int,
    size: int,
    with_position: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """For some runs, [B, E, H, D] keys and values, and [B, E, H]: whether the bucket has a token, and where they stand
    in the run on average (None unless asked for).
    """
    with torch.no_grad():
        bucket = _buckets(key, keep, projections, run)
        count = _bucket_sums(torch.ones_like(key[..., :1], dtype=torch.float32), bucket, keep, run, size)
        mean = 1 / count.clamp(min=1)
    place = None
    if with_position:
        offset = (torch.arange(key.shape[1], device=key.device, dtype=torch.float32) % run)[:, None, None]
        place = (_bucket_sums(offset.expand_as(key[..., :1]), bucket, keep, run, size) * mean).squeeze(-1)
    key, value = ((_bucket_sums(part, bucket, keep, run, size) * mean).to(part.dtype) for part in (key, value))
    return key, value, (count > 0).squeeze(-1), place


def _buckets(key: Tensor, keep: Tensor | None, projections: list[Tensor], run: int) -> Tensor:
    """The bucket of every token in its run: long [B, T, H], for keys [B, T, H, D]. A round has a projection
    [H, D, buckets / 2].

    The first rounds have a bucket for every token of the run and merge near-duplicates, then the sums of what they
    merged are hashed again. A bucket is the arg max of [score, -score], for which keys need not be unit vectors.
    """
    num_tokens, heads = key.shape[1:3]
    num_runs = num_tokens // run
    bucket = torch.arange(run, device=key.device)[:, None].expand(run, heads).repeat(key.shape[0], num_runs, 1)
    for done, projection in enumerate(projections):
        points = _bucket_sums(key, bucket, keep, run, run).to(key.dtype) if done else key
        score = (points.transpose(1, 2) @ projection).transpose(1, 2)
        nearest = score.abs().max(-1, keepdim=True).indices  # several times faster than `argmax` here
        point_bucket = (nearest + (score.gather(-1, nearest) < 0) * projection.shape[-1]).squeeze(-1)
        point_bucket = point_bucket.unflatten(1, (num_runs, -1))
        bucket = point_bucket.gather(2, bucket.unflatten(1, (num_runs, -1))).flatten(1, 2)
    return bucket


def _projection(heads: int, width: int, count: int, seed: int, device: torch.device) -> Tensor:
    """Random directions [heads, width, count], float32, nearly normal: each number is a sum of four uniform ones.

    They are hashes of their indices: the same at every call and on every device, in a graph too, and the global random
    state is left alone.
    """
    bits = torch.arange(heads * width * count * 4, device=device) + (seed << 24)
    for _ in range(2):
        bits = ((bits ^ (bits >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
    uniform = ((bits ^ (bits >> 16)) >> 8).float() / 2**24 - 0.5
    return uniform.view(heads, width, count, 4).sum(-1)


def _bucket_sums(tokens: Tensor, bucket: Tensor, keep: Tensor | None, run: int, size: int) -> Tensor:
    """Sums, float32 [B, T / run · size, H, C], of unmasked tokens [B, T, H, C] over the ``size`` buckets of a run.

    bucket: long [B, T, H]. keep: bool [B or 1, T] or None. Masked tokens go to a row behind all others, and are lost.
    """
    batch, num_tokens, heads, width = tokens.shape
    num_rows = batch * num_tokens // run * size * heads
    run_index = torch.arange(batch * num_tokens // run, device=tokens.device).view(batch, -1, 1, 1)
    row = (run_index * size + bucket.unflatten(1, (-1, run))) * heads + torch.arange(heads, device=tokens.device)
    if keep is not None:
        row = row.masked_fill(~keep.unflatten(1, (-1, run))[..., None], num_rows)
    sums = torch.zeros(num_rows + 1, width, dtype=torch.float32, device=tokens.device)
    sums = sums.index_add(0, row.flatten(), tokens.reshape(-1, width).float())
    return sums[:num_rows].view(batch, -1, heads, width)


def _place(mean: Tensor, run: int, per_run: int = 1) -> Tensor:
    """Positions, long [B, H, E], of entries that stand ``mean`` [B, H, E] behind the start of their runs, rounded."""
    entry = torch.arange(mean.shape[-1], device=mean.device)
    return entry // per_run * run + (mean + 0.5).floor().long()
