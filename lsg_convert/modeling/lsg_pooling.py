"""The selections ``pooling`` and ``bos_pooling``: sparse tokens are means of neighbouring tokens."""

import torch

from .lsg_sparse import Projections, SparseTokens, round_positions, segment_sums


def select_pooling(of: Projections) -> SparseTokens:
    """Mean of the unmasked keys and values in each segment of ``factor``; the position is the segment's centre."""
    key, value, factor = of.tokens(of.key), of.tokens(of.value), of.plan.options.sparsity_factor
    position = torch.arange(0, key.shape[1], factor, device=key.device) + factor // 2
    keep = of.plan.tokens
    if keep is None:
        return SparseTokens(segment_sums(key, factor) / factor, segment_sums(value, factor) / factor, None, position)
    kept = keep.unflatten(1, (-1, factor))
    share = (kept / kept.sum(2, keepdim=True).clamp(min=1)).to(key.dtype)[..., None]
    # Without padding it is only the first segment that is not a plain mean.
    weighted = key.shape[1] if of.plan.padded else factor
    pooled = []
    for tokens in (key, value):
        parts = [segment_sums(tokens[:, :weighted], factor, share[:, : weighted // factor])]
        if weighted < tokens.shape[1]:
            parts.append(segment_sums(tokens[:, weighted:], factor) / factor)
        pooled.append(torch.cat(parts, dim=1) if len(parts) > 1 else parts[0])
    return SparseTokens(pooled[0], pooled[1], kept.any(2)[:, None], position)


def select_bos_pooling(of: Projections) -> SparseTokens:
    """Means weighted by the first token's query."""
    found, marked = _pool_by_first_query(of), of.plan.marked
    if found.keep is None or not of.plan.options.attend_masked_runs:
        return found
    if marked is None:
        return found._replace(keep=None)
    has_marked = marked.unflatten(1, (-1, of.plan.options.sparsity_factor)).any(2)[:, None]
    return found._replace(keep=found.keep | ~has_marked)


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
    offset = torch.arange(factor, device=key.device, dtype=torch.float32)
    position = round_positions((share.detach().float() * offset[:, None]).sum(2).transpose(1, 2), factor)
    return SparseTokens(segment_sums(key, factor, share), segment_sums(value, factor, share), kept, position)
