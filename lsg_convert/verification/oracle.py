"""LSG attention by definition: a dense attention over an explicit T x T choice of keys.

It answers the same call as the shipped `lsg_attention` and shares no code with it: for every query it writes down, key
by key, what the query attends to, in one matrix over [globals | tokens | sparse tokens], and softmaxes that. Slow and
large on purpose: it exists to be read, and to be compared with.
"""

import math
from typing import Any

import torch
from torch import Tensor

from lsg_convert.verification.oracle_selection import sparse_tokens


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
    if dropout_p:
        raise ValueError(f"dropout_p={dropout_p}: the oracle has no dropout.")
    return attention_and_ties(query, key, value, plan, scale, position_bias)[0]


def attention_and_ties(
    query: Tensor, key: Tensor, value: Tensor, plan: Any, scale: float, position_bias: Any = None
) -> tuple[Tensor, Tensor]:
    """What `dense_lsg_attention` returns, and bool [B, H, G + T]: queries that attend to sparse tokens of a run in
    which keys tie, so that another choice is as right as the one made here.
    """
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
            sparse = sparse_tokens(query[:, :, tokens], key[:, :, tokens], *others, options, scale)
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
    side = 1 if half_window is None else half_window // options.block_size
    sparse = torch.arange(num_tokens // options.sparsity_factor, device=device)
    block_of = torch.arange(num_tokens, device=device)[:, None] // options.block_size
    local_from, local_to = (block_of - side) * step, (block_of + 1 + side) * step
    on_the_left = (local_from - reach <= sparse) & (sparse < local_from)
    on_the_right = (local_to <= sparse) & (sparse < local_to + reach)
    of_globals = torch.zeros(num_globals, len(sparse), dtype=torch.bool, device=device)
    return torch.cat([of_globals, on_the_left | on_the_right])


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
