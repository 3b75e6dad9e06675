"""Selections: how the tokens of a head become the sparse tokens of LSG (Local + Sparse + Global) attention.

Each selection turns T tokens into T / f sparse tokens (f = ``sparsity_factor``). It either picks tokens (``norm``,
``stride``, ``block_stride``) or averages some of them (``pooling``, ``bos_pooling``, ``lsh``). Masked tokens never
contribute. Inside, tensors are laid out as the projections leave them, [B, T, H, D], which is what makes this cheap.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .lsg_eager import is_eager_on_cpu
from .lsg_windows import AttentionPlan

LSH_SEED = 123
SEGMENTS_AT_ONCE = 8


class SparseTokens(NamedTuple):
    """The sparse tokens of one layer.

    key, value: [B, H, S, D]. keep: bool, broadcastable to [B, H, S], or None when every one may be attended to.
    position: long, the position of each among the tokens: [S] or [H, S], or [B, H, S] if it depends on the data;
    None unless asked for. may_be_empty: whether some may be masked though no token is.
    """

    key: Tensor
    value: Tensor
    keep: Tensor | None
    position: Tensor | None
    may_be_empty: bool = False


class Projections(NamedTuple):
    """What a selection selects from: query, key and value [B, G + T, H, D] of a layer, and what else it needs.

    scale: the factor on query-key products. with_position: whether positions are asked for.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    plan: AttentionPlan
    scale: float
    with_position: bool

    def tokens(self, part: Tensor) -> Tensor:
        """[B, G + T, H, ...] without the globals."""
        return part[:, self.plan.num_globals :]


def select_sparse_tokens(
    query: Tensor, key: Tensor, value: Tensor, plan: AttentionPlan, scale: float, with_position: bool = False
) -> SparseTokens:
    """Select the sparse tokens among the tokens of query, key and value [B, H, G + T, D]."""
    options = plan.options
    select = _keep_every_token if options.sparsity_factor == 1 else SELECTIONS[options.sparsity_type]
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))
    found = select(Projections(query, key, value, plan, scale, with_position))
    return found._replace(key=found.key.transpose(1, 2), value=found.value.transpose(1, 2))


def _keep_every_token(of: Projections) -> SparseTokens:
    """Factor 1: the sparse tokens are the tokens."""
    keep = None if of.plan.tokens is None else of.plan.tokens[:, None]
    position = torch.arange(of.plan.num_tokens, device=of.key.device) if of.with_position else None
    return SparseTokens(of.tokens(of.key), of.tokens(of.value), keep, position)


def _select_norm(of: Projections) -> SparseTokens:
    """The tokens with the largest key norms."""
    return _pick(of, _largest_norms(of))


def _select_strided(of: Projections) -> SparseTokens:
    """Tokens at positions that depend on the head only."""
    return _pick(of, _strided_positions(of.plan, of.key.shape[2], of.key.device))


def _select_lsh(of: Projections) -> SparseTokens:
    """Means of tokens that hash alike. With one bucket per segment there is no hashing: then, as the published package
    does, a mean weighted by the first token's query.
    """
    has_buckets = of.plan.options.sparsity_factor < of.plan.options.segment_length
    return _pool_buckets(of) if has_buckets else _select_bos_pooling(of)


def _select_bos_pooling(of: Projections) -> SparseTokens:
    """Means weighted by the first token's query."""
    found = _pool_by_first_query(of)
    return found._replace(keep=None) if of.plan.options.attend_masked_runs else found


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


def _select_pooling(of: Projections) -> SparseTokens:
    """Mean of the unmasked keys and values in each segment of ``factor``; the position is the segment's centre."""
    key, value, factor = of.tokens(of.key), of.tokens(of.value), of.plan.options.sparsity_factor
    position = None
    if of.with_position:
        position = torch.arange(0, key.shape[1], factor, device=key.device) + factor // 2
    keep = of.plan.tokens
    if keep is None:
        return SparseTokens(_segment_sums(key, factor) / factor, _segment_sums(value, factor) / factor, None, position)
    kept = keep.unflatten(1, (-1, factor))
    share = (kept / kept.sum(2, keepdim=True).clamp(min=1)).to(key.dtype)[..., None]
    # Without padding it is only the first segment that is not a plain mean.
    weighted = key.shape[1] if of.plan.padded else factor
    pooled = []
    for tokens in (key, value):
        parts = [_segment_sums(tokens[:, :weighted], factor, share[:, : weighted // factor])]
        if weighted < tokens.shape[1]:
            parts.append(_segment_sums(tokens[:, weighted:], factor) / factor)
        pooled.append(torch.cat(parts, dim=1) if len(parts) > 1 else parts[0])
    return SparseTokens(pooled[0], pooled[1], kept.any(2)[:, None], position)


def _pool_by_first_query(of: Projections) -> SparseTokens:
    """Means of segments of ``factor`` tokens, weighted by how much the first token's query attends to each."""
    query, key, value = (of.tokens(part) for part in of[:3])
    factor, keep = of.plan.options.sparsity_factor, of.plan.tokens
    score = (key.transpose(1, 2) @ query[:, 0, :, :, None]).squeeze(-1).transpose(1, 2)
    score = score.unflatten(1, (-1, factor)) * of.scale
    kept = None
    if keep is not None:
        segments = keep.unflatten(1, (-1, factor))
        score = score.masked_fill(~segments[..., None], torch.finfo(score.dtype).min)
        kept = segments.any(2)[:, None]
    share = score.softmax(2)
    position = None
    if of.with_position:
        offset = torch.arange(factor, device=key.device, dtype=torch.float32)
        position = _round_positions((share.float() * offset[:, None]).sum(2).transpose(1, 2), factor)
    return SparseTokens(_segment_sums(key, factor, share), _segment_sums(value, factor, share), kept, position)


def _segment_sums(tokens: Tensor, factor: int, share: Tensor | None = None) -> Tensor:
    """Sums [B, T / f, H, D] over segments of tokens [B, T, H, D], weighted by share [B or 1, T / f, f, H or 1].

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


def _pool_buckets(of: Projections) -> SparseTokens:
    """Means of similar tokens: those in one of the length / f buckets of their segment."""
    key, value, keep, options = of.tokens(of.key), of.tokens(of.value), of.plan.tokens, of.plan.options
    length, size = options.segment_length, options.segment_length // options.sparsity_factor
    sizes = [length] * options.lsh_num_pre_rounds + [size]
    directions = [
        _random_directions(*key.shape[2:], round_size // 2, LSH_SEED + done, key.device).to(key.dtype)
        for done, round_size in enumerate(sizes)
    ]
    # On a CPU some segments after the other: what they need stays in its cache, and is never much.
    at_once = length * SEGMENTS_AT_ONCE if is_eager_on_cpu(key.device) else key.shape[1]
    parts = [part.split(at_once, dim=1) for part in (key, value)]
    kept = [None] * len(parts[0]) if keep is None else keep.split(at_once, dim=1)
    pooled = [_pool_some(*some, directions, length, size, of.with_position) for some in zip(*parts, kept, strict=True)]
    keys, values, filled, means = zip(*pooled, strict=True)
    position = _round_positions(torch.cat(means, dim=1).transpose(1, 2), length, size) if of.with_position else None
    keep = torch.cat(filled, dim=1).transpose(1, 2)
    return SparseTokens(torch.cat(keys, dim=1), torch.cat(values, dim=1), keep, position, may_be_empty=True)


def _pool_some(
    key: Tensor,
    value: Tensor,
    keep: Tensor | None,
    directions: list[Tensor],
    length: int,
    size: int,
    with_position: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """For some segments, [B, S, H, D] keys and values, and [B, S, H]: whether the bucket has a token, and the mean
    position in the segment (None unless asked for).
    """
    with torch.no_grad():
        bucket = _buckets(key, keep, directions, length)
        count = _bucket_sums(torch.ones_like(key[..., :1], dtype=torch.float32), bucket, keep, length, size)
        mean = 1 / count.clamp(min=1)
    position = None
    if with_position:
        offset = (torch.arange(key.shape[1], device=key.device, dtype=torch.float32) % length)[:, None, None]
        position = (_bucket_sums(offset.expand_as(key[..., :1]), bucket, keep, length, size) * mean).squeeze(-1)
    key, value = ((_bucket_sums(part, bucket, keep, length, size) * mean).to(part.dtype) for part in (key, value))
    return key, value, (count > 0).squeeze(-1), position


def _buckets(key: Tensor, keep: Tensor | None, directions: list[Tensor], length: int) -> Tensor:
    """The bucket of every token in its segment: long [B, T, H], for keys [B, T, H, D]. A round has directions
    [H, D, buckets / 2].

    The first rounds have a bucket for every token of the segment and merge near-duplicates, then the sums of what they
    merged are hashed again. A bucket is the arg max of [score, -score], for which keys need not be unit vectors.
    """
    num_tokens, heads = key.shape[1:3]
    num_segments = num_tokens // length
    bucket = (
        torch.arange(length, device=key.device)[:, None].expand(length, heads).repeat(key.shape[0], num_segments, 1)
    )
    for done, direction in enumerate(directions):
        points = _bucket_sums(key, bucket, keep, length, length).to(key.dtype) if done else key
        score = (points.transpose(1, 2) @ direction).transpose(1, 2)
        nearest = score.abs().max(-1, keepdim=True).indices  # several times faster than `argmax` here
        point_bucket = (nearest + (score.gather(-1, nearest) < 0) * direction.shape[-1]).squeeze(-1)
        point_bucket = point_bucket.unflatten(1, (num_segments, -1))
        bucket = point_bucket.gather(2, bucket.unflatten(1, (num_segments, -1))).flatten(1, 2)
    return bucket


def _random_directions(heads: int, width: int, count: int, seed: int, device: torch.device) -> Tensor:
    """Random directions [heads, width, count], float32, nearly normal: each number is a sum of four uniform ones.

    They are hashes of their indices: the same at every call and on every device, in a graph too, and the global random
    state is left alone.
    """
    bits = torch.arange(heads * width * count * 4, device=device) + (seed << 24)
    for _ in range(2):
        bits = ((bits ^ (bits >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
    uniform = ((bits ^ (bits >> 16)) >> 8).float() / 2**24 - 0.5
    return uniform.view(heads, width, count, 4).sum(-1)


def _bucket_sums(tokens: Tensor, bucket: Tensor, keep: Tensor | None, length: int, size: int) -> Tensor:
    """Sums, float32 [B, T / length · size, H, C], of unmasked tokens [B, T, H, C] over the buckets of each segment.

    bucket: long [B, T, H], below ``size``. keep: bool [B or 1, T] or None. Masked tokens go to a row
    behind all others, and are lost.
    """
    batch, num_tokens, heads, width = tokens.shape
    num_rows = batch * num_tokens // length * size * heads
    segment = torch.arange(batch * num_tokens // length, device=tokens.device).view(batch, -1, 1, 1)
    row = (segment * size + bucket.unflatten(1, (-1, length))) * heads + torch.arange(heads, device=tokens.device)
    if keep is not None:
        row = row.masked_fill(~keep.unflatten(1, (-1, length))[..., None], num_rows)
    sums = torch.zeros(num_rows + 1, width, dtype=torch.float32, device=tokens.device)
    sums = sums.index_add(0, row.flatten(), tokens.reshape(-1, width).float())
    return sums[:num_rows].view(batch, -1, heads, width)


def _round_positions(mean: Tensor, length: int, per_segment: int = 1) -> Tensor:
    """Positions, long [B, H, S], of sparse tokens whose mean offsets in their segments are ``mean`` [B, H, S]."""
    index = torch.arange(mean.shape[-1], device=mean.device)
    return index // per_segment * length + (mean + 0.5).floor().long()


SELECTIONS: dict[str, Callable[[Projections], SparseTokens]] = {
    "norm": _select_norm,
    "pooling": _select_pooling,
    "bos_pooling": _select_bos_pooling,
    "lsh": _select_lsh,
    "stride": _select_strided,
    "block_stride": _select_strided,
}
