"""LSG attention by definition: a dense attention over an explicit T x T choice of keys.

It answers the same call as the shipped `lsg_attention` and shares no code with it: for every query it writes down, key
by key, what the query attends to, in one matrix over [globals | tokens | sparse tokens], and softmaxes that. Slow and
large on purpose: it exists to be read, and to be compared with.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

LSH_SEED = 123


# Norms, or scores of buckets, that differ by less than this share of them may be ranked either way in float32.
_TIE = 4e-6


class _Sparse(NamedTuple):
    """weight: [B, H, S, T], how each sparse token averages the tokens; dead: bool [B, H, S]; position: [B, H, S].

    tied: bool [B, H, S], those of a run in which rounding decides what is chosen; None where there are none.
    """

    weight: Tensor
    dead: Tensor
    position: Tensor
    tied: Tensor | None = None


def dense_lsg_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    plan: Any,
    scale: float,
    dropout_p: float = 0.0,
    position_bias: Any = None,
) -> Tensor:
    """Attention context [B, H, G + T, D] of query, key, value [B, H, G + T, D]; dropout is not modelled.

    Raises:
        ValueError: dropout was asked for.
    """
    return attention_and_ties(query, key, value, plan, scale, dropout_p, position_bias)[0]


def attention_and_ties(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    plan: Any,
    scale: float,
    dropout_p: float = 0.0,
    position_bias: Any = None,
) -> tuple[Tensor, Tensor]:
    """What `dense_lsg_attention` returns, and bool [B, H, G + T]: queries that attend to sparse tokens of a run in
    which keys tie, so that another choice is as right as the one made here.
    """
    if dropout_p:
        raise ValueError(f"dropout_p={dropout_p}: the oracle has no dropout.")
    batch, heads, length, _ = query.shape
    options, num_globals, num_tokens = plan.options, plan.num_globals, plan.num_tokens
    masked = torch.zeros(batch, length, dtype=torch.bool, device=key.device)
    if plan.keep is not None:
        masked = ~plan.keep.expand(batch, -1)

    all_keys, all_values = key, value
    position = torch.arange(-num_globals, num_tokens, device=key.device).expand(batch, heads, -1)
    dead = masked[:, None].expand(-1, heads, -1)
    tied = torch.zeros(batch, heads, length, dtype=torch.bool, device=key.device)
    attends = torch.ones(batch, length, length, dtype=torch.bool, device=key.device)
    in_blocks = plan.half_window is not None or length - options.num_global_tokens > _dense_limit(options)
    if in_blocks:
        is_global = _which_are_global(plan, masked)
        attends = _local_and_global(num_globals, num_tokens, options.block_size, plan.half_window, key.device)
        attends = attends | is_global[:, None] | is_global[..., None]
        if options.sparsity_type != "none" and options.sparse_block_size and options.sparsity_factor:
            tokens = slice(num_globals, None)
            others = (masked[:, tokens], is_global[:, tokens])
            sparse = _sparse_tokens(query[:, :, tokens], key[:, :, tokens], *others, options, scale)
            attends_to_sparse = _attends_to_sparse(num_globals, num_tokens, options, plan.half_window, key.device)
            attends_to_sparse = attends_to_sparse & ~is_global[..., None]
            if sparse.tied is not None:
                tied = (attends_to_sparse[:, None] & sparse.tied[:, :, None]).any(-1)
            attends = torch.cat([attends, attends_to_sparse], dim=2)
            all_keys = torch.cat([key, sparse.weight @ key[:, :, tokens]], dim=2)
            all_values = torch.cat([value, sparse.weight @ value[:, :, tokens]], dim=2)
            position = torch.cat([position, sparse.position], dim=2)
            dead = torch.cat([dead, sparse.dead], dim=2)

    score = (query * scale) @ all_keys.transpose(-1, -2)
    if position_bias is not None:
        if num_globals and options.mask_first_token and options.opening_token_id is not None:
            position = position.clone()
            position[..., 0] = 0  # global 0 stands where the token stands that it replaces
        by_content = not hasattr(position_bias, "relative")
        of_pairs = (query, all_keys, position) if by_content else (position, num_globals, num_tokens)
        score = score + (_disentangled if by_content else _bias)(position_bias, *of_pairs)
    if in_blocks and options.automatic_globals == "ends":
        score = score + _weight_of_first_block(options, is_global, score)
    hidden = ~attends[:, None] | dead[:, :, None]
    # In place, as the matrix is large. A hidden key's weight is 0, unless all keys of the query are hidden.
    weight = score.masked_fill_(hidden, -1e30 if score.dtype != torch.float16 else -6e4).softmax(-1)
    return weight @ all_values, tied


def _weight_of_first_block(options: Any, is_global: Tensor, score: Tensor) -> Tensor:
    """What [globals | first block | last block | others] add to scores [B, H, G + T, K]: others see the first block as
    often as it is drawn, and once more.
    """
    weight = torch.zeros_like(score)
    first = slice(options.num_global_tokens, options.num_global_tokens + options.block_size)
    weight[..., first] = math.log(1 + options.num_random_blocks)
    return weight.masked_fill(is_global[:, None, :, None], 0.0)


def _dense_limit(options: Any) -> int:
    """Up to so many tokens there are no blocks: BigBird wants room for its ends, a band, and twice the random ones."""
    return options.block_size * (5 + 2 * options.num_random_blocks if options.automatic_globals == "ends" else 2)


def _which_are_global(plan: Any, masked: Tensor) -> Tensor:
    """Which of [globals | tokens] attend to all, and all attend to: bool [B, G + T]."""
    is_global = torch.zeros_like(masked)
    is_global[:, : plan.num_globals] = True
    if plan.marked is not None:
        is_global[:, plan.num_globals :] = plan.marked & ~masked[:, plan.num_globals :]
    return is_global


def _local_and_global(
    num_globals: int, num_tokens: int, block: int, half_window: int | None, device: torch.device
) -> Tensor:
    """Which of [globals | tokens] each of [globals | tokens] attends to: bool [G + T, G + T]."""
    position = torch.arange(-num_globals, num_tokens, device=device)
    block_of = torch.div(position, block, rounding_mode="floor")
    near = (block_of[:, None] - block_of).abs() <= 1
    if half_window is not None:
        near = (position[:, None] - position).abs() <= half_window
    is_global = position < 0
    return near | is_global | is_global[:, None]


def _attends_to_sparse(
    num_globals: int, num_tokens: int, options: Any, half_window: int | None, device: torch.device
) -> Tensor:
    """Which sparse tokens each of [globals | tokens] attends to: bool [G + T, S]. Globals: to none."""
    step, reach = options.block_size // options.sparsity_factor, options.sparse_block_size
    attends = torch.zeros(
        num_globals + num_tokens, num_tokens // options.sparsity_factor, dtype=torch.bool, device=device
    )
    for token in range(num_tokens):
        i, side = token // options.block_size, 1 if half_window is None else half_window // options.block_size
        for first in ((i - side) * step - reach, (i + 1 + side) * step):
            attends[num_globals + token, max(first, 0) : max(first + reach, 0)] = True
    return attends


def _sparse_tokens(
    query: Tensor, key: Tensor, padding: Tensor, is_global: Tensor, options: Any, scale: float
) -> _Sparse:
    """The sparse tokens, written as weights over the tokens; of padding and of globals they have nothing."""
    masked = padding | is_global
    batch, heads, num_tokens, _ = key.shape
    factor, kind = options.sparsity_factor, options.sparsity_type
    weight = key.new_zeros(batch, heads, num_tokens // factor, num_tokens)
    run = min(options.block_size, options.sparse_block_size)
    if factor == 1:
        weight[:] = torch.eye(num_tokens, dtype=key.dtype, device=key.device)
        return _Sparse(weight, masked[:, None].expand(-1, heads, -1), _arange_like(weight))
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
    return _Sparse(weight, dead, position, None if tied is None else tied.repeat_interleave(run // factor, dim=-1))


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
) -> _Sparse:
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
    return _Sparse(weight, torch.stack(dead, -1), torch.stack(position, -1).long())


def _buckets(key: Tensor, masked: Tensor, weight: Tensor, options: Any, run: int) -> _Sparse:
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
    return _Sparse(weight, weight.sum(-1) == 0, position, tied.repeat_interleave(count, dim=-1))


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


def _bias(position_bias: Any, key_position: Tensor, num_globals: int, num_tokens: int) -> Tensor:
    """Bias [B, H, G + T, K] of every query and key; negative positions are globals without one."""
    by_distance = position_bias.relative(torch.arange(1 - num_tokens, num_tokens, device=key_position.device))
    query_position = torch.arange(num_tokens, device=key_position.device)
    rows = []
    for head, towards_globals in enumerate(position_bias.globals):
        keys = key_position[:, head, None]
        distance = (keys - query_position[:, None]).clamp(min=1 - num_tokens)
        rows.append(torch.where(keys < 0, towards_globals, by_distance[distance + num_tokens - 1, head]))
    bias = torch.stack(rows, dim=1)
    of_globals = bias.new_zeros(*bias.shape[:2], num_globals, bias.shape[3])
    if num_globals and bool((key_position[..., 0] == 0).all()):
        of_globals[:, :, 0] = bias[:, :, 0]  # the query of global 0 is that of the token at position 0
    return torch.cat([of_globals, bias], dim=2)


def _disentangled(position_bias: Any, query: Tensor, key: Tensor, position: Tensor) -> Tensor:
    """Terms [B, H, G + T, K] of every query and every key [B, H, K, D] by their distance, one query after the other.

    position: [B, H, K]; negative ones are globals without one, which have no terms.
    """
    heads = torch.arange(query.shape[1], device=query.device)[:, None]
    rows = []
    for number in range(query.shape[2]):
        at = position[:, :, number, None]
        row = position_bias.rows.of(at - position)
        term = torch.zeros(row.shape, dtype=query.dtype, device=query.device)
        if position_bias.keys is not None:
            term = term + (query[:, :, number, None] * position_bias.keys[heads, row]).sum(-1)
        if position_bias.queries is not None:
            term = term + (position_bias.queries[heads, row] * key).sum(-1)
        rows.append(term.masked_fill((at < 0) | (position < 0), 0.0))
    return torch.stack(rows, dim=2)
