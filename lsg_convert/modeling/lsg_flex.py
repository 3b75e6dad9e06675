"""LSG attention by FlexAttention: one fused kernel over the keys [tokens | entries | globals], for GPUs.

What a query sees follows from its position, so that the tiles to compute are written down by arithmetic, once for a
length; only what is padding is data. No mask of T x T is ever made.
"""

import importlib.util
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from .lsg_eager import is_compiling
from .lsg_options import LSGOptions
from .lsg_scores import LayerCall
from .lsg_selection import SparseEntries
from .lsg_windows import KeyMask

TILE = 128


def chooses_flex(options: LSGOptions, dropout_p: float, has_bias: bool) -> bool:
    """Whether FlexAttention computes this call: where it is asked for.

    ``auto`` stays with SDPA as long as the compiled form has not been measured on a GPU.

    Raises:
        ValueError: it is asked for what it cannot do.
    """
    if options.attention_backend != "flex":
        return False
    if obstacle := _obstacle(dropout_p, has_bias):
        raise ValueError(f"attention_backend='flex': {obstacle}; choose 'auto' or 'sdpa'.")
    return True


def _obstacle(dropout_p: float, has_bias: bool) -> str:
    """Why FlexAttention cannot compute a call; empty if it can."""
    if dropout_p:
        return "FlexAttention has no dropout"
    if has_bias:
        return "position bias is not computed by FlexAttention"
    return "" if _has_flex() else f"torch {torch.__version__} has no FlexAttention"


@lru_cache(maxsize=1)
def _has_flex() -> bool:
    try:
        return importlib.util.find_spec("torch.nn.attention.flex_attention") is not None
    except ModuleNotFoundError:
        return False


def flex_attend_blocks(query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> Tensor:
    """Context [B, H, T, D] of the tokens' queries; query, key and value are [B, H, G + T, D]."""
    entries, key_mask = call.entries, call.key_mask
    num_globals = key_mask.num_global_tokens
    keys, values = (
        torch.cat([part[:, :, num_globals:], *([] if sparse is None else [sparse]), part[:, :, :num_globals]], dim=2)
        for part, sparse in ((key, entries and entries.key), (value, entries and entries.value))
    )
    keep = _kept_keys(query, entries, key_mask)
    mask = _block_mask(key_mask.num_tokens, num_globals, call.options, query.device, keep)
    return _flex_attention(query.device)(query[:, :, num_globals:], keys, values, block_mask=mask, scale=call.scale)


def _kept_keys(query: Tensor, entries: SparseEntries | None, key_mask: KeyMask) -> Tensor | None:
    """Which keys may be attended, bool [B, H, K]; None when all may."""
    sparse = None if entries is None else entries.keep
    if key_mask.tokens is None and sparse is None:
        return None
    shape = (query.shape[0], query.shape[1], -1)
    all_kept = torch.ones(1, 1, 1, dtype=torch.bool, device=query.device)
    parts = [all_kept.expand(1, 1, key_mask.num_tokens) if key_mask.tokens is None else key_mask.tokens[:, None]]
    if entries is not None:
        parts.append(all_kept.expand(1, 1, entries.key.shape[2]) if sparse is None else sparse)
    parts.append(all_kept.expand(1, 1, key_mask.num_global_tokens))
    return torch.cat([part.expand(shape) for part in parts], dim=2)


def _block_mask(
    num_tokens: int, num_globals: int, options: LSGOptions, device: torch.device, keep: Tensor | None
) -> Any:
    """The `BlockMask` of a layer: the tiles of this length, and within a tile what each query sees."""
    from torch.nn.attention.flex_attention import BlockMask

    num_entries = num_tokens // options.sparsity_factor if options.has_sparse else 0
    num_keys = num_tokens + num_entries + num_globals
    counts, tiles = _tiles(num_tokens, num_entries, num_globals, options, device)
    return BlockMask.from_kv_blocks(
        counts,
        tiles,
        BLOCK_SIZE=TILE,
        mask_mod=_sees(num_tokens, num_entries, options, keep),
        seq_lengths=(num_tokens, num_keys),
    )


def _sees(
    num_tokens: int, num_entries: int, options: LSGOptions, keep: Tensor | None
) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """Whether a query sees a key, by their indices."""
    block, reach = options.block_size, options.sparse_block_size
    step = options.step if num_entries else 0

    def sees(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        query_block = query // block
        token, entry = key, key - num_tokens
        near = (token < num_tokens) & (token >= (query_block - 1) * block) & (token < (query_block + 2) * block)
        left, right = (query_block - 1) * step, (query_block + 2) * step
        sparse = ((entry >= left - reach) & (entry < left)) | ((entry >= right) & (entry < right + reach))
        seen = near | (sparse & (entry >= 0) & (entry < num_entries)) | (entry >= num_entries)
        return seen if keep is None else seen & keep[batch, head, key]

    return sees


@lru_cache(maxsize=16)
def _tiles(
    num_tokens: int, num_entries: int, num_globals: int, options: LSGOptions, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Which tiles of keys a tile of queries needs: how many, int [1, 1, Q], and which, int [1, 1, Q, K]."""
    block, reach, step = options.block_size, options.sparse_block_size, options.step if num_entries else 0
    end_of_entries = num_tokens + num_entries
    num_key_tiles = -(-(end_of_entries + num_globals) // TILE)
    rows = []
    for start in range(0, num_tokens, TILE):
        first, last = start // block, (min(start + TILE, num_tokens) - 1) // block
        spans = [(max(0, (first - 1) * block), min(num_tokens, (last + 2) * block))]
        for a, b in (((first - 1) * step - reach, (last - 1) * step), ((first + 2) * step, (last + 2) * step + reach)):
            spans.append((num_tokens + min(max(0, a), num_entries), num_tokens + min(max(0, b), num_entries)))
        spans.append((end_of_entries, end_of_entries + num_globals))
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
