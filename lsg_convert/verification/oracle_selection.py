"""The sparse tokens by definition, for `oracle.py`; and where rounding decides which they are."""

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

LSH_SEED = 123
# Norms, or scores of buckets, that differ by less than this share of them may be ranked either way in float32.
_TIE = 4e-6


class Sparse(NamedTuple):
    """weight: [B, H, S, T], how each sparse token averages the tokens; dead: bool [B, H, S]; position: [B, H, S].

    tied: bool [B, H, S], those of a run in which rounding decides what is chosen; None where there are none.
    """

    weight: Tensor
    dead: Tensor
    position: Tensor
    tied: Tensor | None = None


def sparse_tokens(query: Tensor, key: Tensor, padding: Tensor, is_global: Tensor, options: Any, scale: float) -> Sparse:
    """The sparse tokens, written as weights over the tokens; of padding and of globals they have nothing."""
    masked = padding | is_global
    batch, heads, num_tokens, _ = key.shape
    factor, kind = options.sparsity_factor, options.sparsity_type
    weight = key.new_zeros(batch, heads, num_tokens // factor, num_tokens)
    run = min(options.block_size, options.sparse_block_size)
    if factor == 1:
        weight[:] = torch.eye(num_tokens, dtype=key.dtype, device=key.device)
        return Sparse(weight, masked[:, None].expand(-1, heads, -1), _arange_like(weight))
    if kind in ("pooling", "bos_pooling") or (kind == "lsh" and run == factor):
        averages = _averages(query, key, masked, weight, kind, factor, scale)
        keeps_all = kind != "pooling" and options.attend_masked_runs
        has_global = is_global.unflatten(1, (-1, factor)).any(-1)
        return averages._replace(dead=averages.dead & has_global[:, None]) if keeps_all else averages
    if kind == "lsh":
        return _buckets(key, masked, weight, options, run)
    position = torch.zeros(batch, heads, num_tokens // factor, dtype=torch.long, device=key.device)
    for b in range(batch):
        for h in range(heads):
            chosen = _chosen_tokens(key[b, h], masked[b], h, options, run)
            position[b, h] = torch.tensor(chosen, device=key.device)
    weight.scatter_(-1, position[..., None], 1.0)
    dead = masked[:, None].expand(-1, heads, -1).gather(-1, position)
    tied = tied_runs(key, masked, options)
    return Sparse(weight, dead, position, None if tied is None else tied.repeat_interleave(run // factor, dim=-1))


def _chosen_tokens(key: Tensor, masked: Tensor, head: int, options: Any, run: int) -> list[int]:
    """The tokens that are one head's sparse tokens; key: [T, D]."""
    factor, block, tokens = options.sparsity_factor, options.block_size, range(key.shape[0])
    if options.sparsity_type == "stride":
        return [t for t in tokens if t % factor == head % factor]
    if options.sparsity_type == "block_stride":
        step = block // factor
        return [t for t in tokens if t % block // step == head % factor]
    norms = [
        -1.0 if gone else norm for norm, gone in zip(key.detach().norm(dim=-1).tolist(), masked.tolist(), strict=True)
    ]
    chosen: list[int] = []
    for start in range(0, len(norms), run):
        ranked = sorted(range(start, start + run), key=norms.__getitem__)
        chosen += ranked[run - run // factor :]
    return chosen


def tied_runs(key: Tensor, masked: Tensor, options: Any) -> Tensor | None:
    """Runs of tokens in which rounding decides which are sparse tokens, or share one: bool [B, H, runs].

    key: [B, H, T, D]; masked: bool [B, T]. None where nothing is chosen by comparing numbers.
    """
    run = min(options.block_size, options.sparse_block_size)
    if not run or options.sparsity_factor == 1:
        return None
    if options.sparsity_type == "norm":
        return _tied_norms(key, masked, run, options.sparsity_factor)
    if options.sparsity_type == "lsh" and run != options.sparsity_factor:
        return _merge_alike(key, masked, options, run)[1]
    return None


def _tied_norms(key: Tensor, masked: Tensor, run: int, factor: int) -> Tensor:
    """Whether the last key chosen and the first one left out have one norm: bool [B, H, runs]."""
    norms = key.detach().norm(dim=-1).masked_fill(masked[:, None], -1.0)
    ranked = norms.unflatten(-1, (-1, run)).sort(dim=-1).values
    left_out, chosen = ranked[..., run - run // factor - 1], ranked[..., run - run // factor]
    return (left_out >= 0) & (chosen - left_out <= _TIE * chosen)


def _averages(
    query: Tensor, key: Tensor, masked: Tensor, weight: Tensor, kind: str, factor: int, scale: float
) -> Sparse:
    """Plain or first-query-weighted means of segments of ``factor`` tokens."""
    dead, position = [], []
    attraction = torch.einsum("bhd,bhtd->bht", query[:, :, 0], key) * scale
    for entry in range(weight.shape[2]):
        run = slice(entry * factor, (entry + 1) * factor)
        alive = ~masked[:, None, run].expand(-1, key.shape[1], -1)
        score = torch.zeros_like(attraction[..., run]) if kind == "pooling" else attraction[..., run]
        # All masked: a plain mean, for a sparse token that is dead unless `attend_masked_runs`.
        share = score.masked_fill(~alive, torch.finfo(score.dtype).min).softmax(-1)
        weight[:, :, entry, run] = share
        dead.append(~alive.any(-1))
        centre = entry * factor + factor // 2
        mean = entry * factor + torch.floor(share.float() @ torch.arange(factor).to(share.device).float() + 0.5)
        position.append(torch.full_like(mean, centre) if kind == "pooling" else mean)
    return Sparse(weight, torch.stack(dead, -1), torch.stack(position, -1).long())


def _buckets(key: Tensor, masked: Tensor, weight: Tensor, options: Any, run: int) -> Sparse:
    """Means of the tokens of a segment that hash alike."""
    members, tied = _merge_alike(key, masked, options, run)
    count = run // options.sparsity_factor
    size = members.sum(-1).clamp(min=1)
    number = torch.arange(run, device=key.device).to(members)
    mean = torch.zeros(*members.shape[:3], count, device=key.device).to(members)
    mean[..., : members.shape[3]] = (members @ number) / size
    for segment in range(members.shape[2]):
        entries = slice(segment * count, segment * count + members.shape[3])
        tokens = slice(segment * run, (segment + 1) * run)
        weight[:, :, entries, tokens] = members[:, :, segment] / size[:, :, segment, :, None]
    start = torch.arange(members.shape[2], device=key.device)[:, None] * run
    position = (start + mean + 0.5).floor().long().flatten(2)
    return Sparse(weight, weight.sum(-1) == 0, position, tied.repeat_interleave(count, dim=-1))


@lru_cache(maxsize=8)
def _directions(heads: int, width: int, count: int, seed: int) -> Tensor:
    """The random directions that `lsh` is defined by, [heads, width, count]: sums of four hashed indices each."""
    numbers = [sum(_hashed(seed * 2**24 + 4 * i + j) for j in range(4)) for i in range(heads * width * count)]
    return torch.tensor(numbers).view(heads, width, count)


def _hashed(index: int) -> float:
    """A number in [-0.5, 0.5) that depends on an index."""
    for _ in range(2):
        index = (index ^ index >> 16) * 0x45D9F3B % 2**32
    return ((index ^ index >> 16) // 256) / 2**24 - 0.5


def _merge_alike(key: Tensor, masked: Tensor, options: Any, run: int) -> tuple[Tensor, Tensor]:
    """Which tokens of each segment share a bucket in the end, 1 or 0 [B, H, segments, buckets, run]; and where rounding
    decides that, bool [B, H, segments].

    In each round a group of tokens goes to the bucket whose direction its summed keys are nearest to.
    """
    heads, width = key.shape[1], key.shape[3]
    segments = key.detach().unflatten(2, (-1, run))
    members = torch.diag_embed((~masked).unflatten(1, (-1, run)).to(key.dtype))[:, None].expand(-1, heads, -1, -1, -1)
    tied = torch.zeros(segments.shape[:3], dtype=torch.bool, device=key.device)
    sizes = [run] * options.lsh_num_pre_rounds + [run // options.sparsity_factor]
    for number, size in enumerate(sizes):
        directions = _directions(heads, width, size // 2, LSH_SEED + number).to(key)
        total = members @ segments
        score = total / total.norm(dim=-1, keepdim=True).clamp(min=1e-12) @ directions[:, None]
        score = torch.cat([score, -score], dim=-1)
        exists = members.sum(-1) > 0
        nearest, second = score.topk(2, dim=-1).values.unbind(-1)
        tied |= (exists & (nearest - second <= _TIE * nearest)).any(-1)
        bucket = torch.nn.functional.one_hot(score.argmax(-1), score.shape[-1]) * exists[..., None]
        members = bucket.to(key.dtype).transpose(-1, -2) @ members
    return members, tied


def _arange_like(weight: Tensor) -> Tensor:
    """0 ... S - 1 for every head, [B, H, S]."""
    return torch.arange(weight.shape[2], device=weight.device).expand(weight.shape[:3])
