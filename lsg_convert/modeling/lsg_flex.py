"""LSG attention by FlexAttention: one fused kernel over the keys [tokens | sparse tokens | globals], for GPUs.

The keys of a query follow from its position, so that the tiles to compute are written down by arithmetic, once for a
length; only what is padding is data. No mask of T x T is ever made.
"""

import importlib.util
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .lsg_eager import is_compiling
from .lsg_options import LSGOptions
from .lsg_scores import LayerCall
from .lsg_windows import AttentionPlan

TILE = 128


def flex_obstacle(query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> str | None:
    """Why FlexAttention cannot compute a call; None if it can."""
    if call.dropout_p:
        return "FlexAttention has no dropout"
    if call.by_content or call.bias_tensors():
        return "position bias is not computed by FlexAttention"
    return None if _has_flex() else f"torch {torch.__version__} has no FlexAttention"


@lru_cache(maxsize=1)
def _has_flex() -> bool:
    try:
        return importlib.util.find_spec("torch.nn.attention.flex_attention") is not None
    except ModuleNotFoundError:
        return False


def attend_by_flex(query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> Iterator[Tensor]:
    """Context [B, H, T, D] of the tokens' queries; query, key and value are [B, H, G + T, D]."""
    sparse, plan = call.sparse, call.plan
    keys, values = (
        torch.cat(
            [part[:, :, plan.num_globals :], *([] if more is None else [more]), part[:, :, : plan.num_globals]], 2
        )
        for part, more in ((key, sparse and sparse.key), (value, sparse and sparse.value))
    )
    mask = _block_mask(plan, query.device, _kept_keys(query, call))
    changed = None if plan.global_bias is None else _adds(plan.global_bias, plan.num_globals, keys.shape[2])
    yield _flex_attention(query.device)(
        query[:, :, plan.num_globals :], keys, values, score_mod=changed, block_mask=mask, scale=call.scale
    )


def _adds(global_bias: Tensor, num_globals: int, num_keys: int) -> Callable[..., Tensor]:
    """What adds the bias to the scores of the globals, which are the last keys."""
    bias = functional.pad(global_bias, (num_keys - num_globals, num_globals - len(global_bias)))

    def add_bias(score: Tensor, batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return score + bias[key]

    return add_bias


def _kept_keys(query: Tensor, call: LayerCall) -> Tensor | None:
    """Which keys may be attended to, bool [B, H, K]; None when all may."""
    plan, found = call.plan, call.sparse
    if plan.keep is None and (found is None or found.keep is None):
        return None
    shape = (query.shape[0], query.shape[1], -1)
    all_kept = torch.ones(1, 1, 1, dtype=torch.bool, device=query.device)
    keep = all_kept.expand(1, 1, plan.num_globals + plan.num_tokens) if plan.keep is None else plan.keep[:, None]
    parts = [keep[..., plan.num_globals :], keep[..., : plan.num_globals]]
    if found is not None:
        parts.insert(1, all_kept.expand(1, 1, found.key.shape[2]) if found.keep is None else found.keep)
    return torch.cat([part.expand(shape) for part in parts], dim=2)


def _block_mask(plan: AttentionPlan, device: torch.device, keep: Tensor | None) -> Any:
    """The `BlockMask` of a layer: the tiles of this length, and within a tile the keys of each query."""
    from torch.nn.attention.flex_attention import BlockMask

    options, num_tokens, num_globals = plan.options, plan.num_tokens, plan.num_globals
    num_sparse = num_tokens // options.sparsity_factor if options.has_sparse else 0
    counts, tiles = _tiles(num_tokens, num_sparse, num_globals, options, plan.half_window, device)
    return BlockMask.from_kv_blocks(
        counts,
        tiles,
        BLOCK_SIZE=TILE,
        mask_mod=_attends_to(num_tokens, num_sparse, options, plan.half_window, keep),
        seq_lengths=(num_tokens, num_tokens + num_sparse + num_globals),
    )


def _attends_to(
    num_tokens: int, num_sparse: int, options: LSGOptions, half_window: int | None, keep: Tensor | None
) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """Whether a query attends to a key, by their indices."""
    block, reach = options.block_size, options.sparse_block_size
    step = options.step if num_sparse else 0
    blocks = 1 if half_window is None else half_window // block  # on each side, where there are sparse tokens beyond

    def attends_to(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        query_block = query // block
        token, index = key, key - num_tokens
        if half_window is None:
            near = (token < num_tokens) & (token >= (query_block - 1) * block) & (token < (query_block + 2) * block)
        else:
            near = (token < num_tokens) & ((token - query).abs() <= half_window)
        left, right = (query_block - blocks) * step, (query_block + 1 + blocks) * step
        sparse = ((index >= left - reach) & (index < left)) | ((index >= right) & (index < right + reach))
        attended = near | (sparse & (index >= 0) & (index < num_sparse)) | (index >= num_sparse)
        return attended if keep is None else attended & keep[batch, head, key]

    return attends_to


@lru_cache(maxsize=16)
def _tiles(
    num_tokens: int,
    num_sparse: int,
    num_globals: int,
    options: LSGOptions,
    half_window: int | None,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Which tiles of keys a tile of queries needs: how many, int [1, 1, Q], and which, int [1, 1, Q, K]."""
    block, reach, step = options.block_size, options.sparse_block_size, options.step if num_sparse else 0
    side = block if half_window is None else half_window
    end_of_sparse = num_tokens + num_sparse
    num_key_tiles = -(-(end_of_sparse + num_globals) // TILE)
    rows = []
    for start in range(0, num_tokens, TILE):
        first, last = start // block, (min(start + TILE, num_tokens) - 1) // block
        spans = [(max(0, first * block - side), min(num_tokens, (last + 1) * block + side))]
        near, far = (first - side // block) * step, (last - side // block) * step
        ahead, beyond = (first + 1 + side // block) * step, (last + 1 + side // block) * step
        for a, b in ((near - reach, far), (ahead, beyond + reach)):
            spans.append((num_tokens + min(max(0, a), num_sparse), num_tokens + min(max(0, b), num_sparse)))
        spans.append((end_of_sparse, end_of_sparse + num_globals))
        rows.append(sorted({tile for a, b in spans if a < b for tile in range(a // TILE, -(-b // TILE))}))
    counts = torch.tensor([len(row) for row in rows], dtype=torch.int32, device=device)
    tiles = torch.tensor([row + [0] * (num_key_tiles - len(row)) for row in rows], dtype=torch.int32, device=device)
    return counts[None, None], tiles[None, None]


def _flex_attention(device: torch.device) -> Callable[..., Tensor]:
    """FlexAttention, compiled once where that makes it fast. On a CPU it runs as written, to be compared with."""
    from torch.nn.attention.flex_attention import flex_attention

    if device.type == "cpu" or is_compiling():
        return flex_attention
    return _compiled()


@lru_cache(maxsize=1)
def _compiled() -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)
