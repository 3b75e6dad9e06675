"""The selection ``lsh``: sparse tokens are means of tokens that hash alike."""

from functools import lru_cache

import torch
from torch import Tensor

from .lsg_eager import is_captured, is_eager_on_cpu
from .lsg_pooling import select_bos_pooling
from .lsg_sparse import Projections, SparseTokens, round_positions

LSH_SEED = 123
SEGMENTS_AT_ONCE = 8


def select_lsh(of: Projections) -> SparseTokens:
    """Means of tokens that hash alike. With one bucket per segment there is no hashing: then, as the published package
    does, a mean weighted by the first token's query.
    """
    has_buckets = of.plan.options.sparsity_factor < of.plan.options.segment_length
    return _pool_buckets(of) if has_buckets else select_bos_pooling(of)


def _pool_buckets(of: Projections) -> SparseTokens:
    """Means of similar tokens: those in one of the length / f buckets of their segment."""
    key, value, keep, options = of.tokens(of.key), of.tokens(of.value), of.plan.tokens, of.plan.options
    length, size = options.segment_length, options.segment_length // options.sparsity_factor
    sizes = [length] * options.lsh_num_pre_rounds + [size]
    draw = _kept_directions if type(key) is Tensor and not is_captured() else _random_directions
    directions = [
        draw(*key.shape[2:], round_size // 2, LSH_SEED + done, key.device).to(key.dtype)
        for done, round_size in enumerate(sizes)
    ]
    # On a CPU some segments after the other: what they need stays in its cache, and is never much.
    parts: list[tuple[Tensor, Tensor, Tensor | None]] = [(key, value, keep)]
    if is_eager_on_cpu(key.device):
        at_once = length * SEGMENTS_AT_ONCE
        kept = [None] * -(-key.shape[1] // at_once) if keep is None else keep.split(at_once, dim=1)
        parts = list(zip(key.split(at_once, dim=1), value.split(at_once, dim=1), kept, strict=True))
    pooled = [_pool_some(*part, directions, length, size) for part in parts]
    keys, values, filled, means = zip(*pooled, strict=True)
    position = round_positions(torch.cat(means, dim=1).transpose(1, 2), length, size)
    keep = torch.cat(filled, dim=1).transpose(1, 2)
    return SparseTokens(torch.cat(keys, dim=1), torch.cat(values, dim=1), keep, position, may_be_empty=True)


def _pool_some(
    key: Tensor,
    value: Tensor,
    keep: Tensor | None,
    directions: list[Tensor],
    length: int,
    size: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For some segments, [B, S, H, D] keys and values, and [B, S, H]: whether the bucket has a token, and the mean
    position in the segment.
    """
    with torch.no_grad():
        bucket = _buckets(key, keep, directions, length)
        count = _bucket_sums(torch.ones_like(key[..., :1], dtype=torch.float32), bucket, keep, length, size)
        mean = 1 / count.clamp(min=1)
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


@lru_cache(maxsize=16)
def _kept_directions(heads: int, width: int, count: int, seed: int, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return _random_directions(heads, width, count, seed, device)


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
