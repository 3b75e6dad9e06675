"""LSG (Local + Sparse + Global) attention, after Condevaux & Harispe, arXiv 2210.15497. Needs torch only.

The sequence is [G globals | T tokens]. Globals attend everything. Tokens attend by blocks of ``block_size``: block i sees
one *window* of keys under one softmax,

    globals | sparse entries on the left | blocks i-1, i, i+1 | sparse entries on the right

where the sparse entries begin exactly where the blocks end. Blocks whose windows have the same geometry are folded into
the batch of `scaled_dot_product_attention`; those near the ends of the sequence have shorter windows of their own, so
no key outside the sequence ever needs a mask. Nothing is as large as T x T. Up to ``2 * block_size`` tokens attention is dense.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .lsg_bias import PositionBias
from .lsg_options import LSGOptions
from .lsg_selection import SparseEntries, select_entries

__all__ = ["KeyMask", "LSGOptions", "PositionBias", "lsg_attention"]


class KeyMask:
    """Which keys may be attended, built once for a forward pass and shared by the layers.

    Args:
        tokens: bool [B, T], False where a token is padding; None when none is.
        mask_first_token: token 0 may not be attended.

    ``padded``: whether anything but the first token may be masked. ``keep``: bool [B or 1, G + T], None if all are kept.
    """

    def __init__(
        self,
        tokens: Tensor | None,
        batch_size: int,
        num_tokens: int,
        num_global_tokens: int,
        mask_first_token: bool,
        device: torch.device,
    ) -> None:
        self.num_tokens = num_tokens
        self.num_global_tokens = num_global_tokens
        self.padded = tokens is not None
        self.keep: Tensor | None = None
        if tokens is None and not mask_first_token:
            return
        if tokens is None:
            tokens = torch.ones(1, num_tokens, dtype=torch.bool, device=device)
        if mask_first_token:
            tokens = tokens & (torch.arange(num_tokens, device=device) > 0)
        self.keep = F.pad(tokens, (num_global_tokens, 0), value=True)

    @property
    def tokens(self) -> Tensor | None:
        """Bool [B or 1, T], None if all tokens are kept."""
        return None if self.keep is None else self.keep[:, self.num_global_tokens :]

    @property
    def for_every_query(self) -> Tensor | None:
        """Bool [B or 1, 1, 1, G + T]: the keys of a query that attends everything, None if all are kept."""
        return None if self.keep is None else self.keep[:, None, None]


class Window(NamedTuple):
    """Blocks [first, first + count) of queries, and what the first of them sees; the next ones see it shifted by a block.

    local: tokens from, to. left, right: sparse entries from, to.
    """

    first: int
    count: int
    local: tuple[int, int]
    left: tuple[int, int]
    right: tuple[int, int]


def lsg_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_mask: KeyMask,
    options: LSGOptions,
    scale: float,
    dropout_p: float = 0.0,
    position_bias: PositionBias | None = None,
) -> Tensor:
    """Attention context [B, H, G + T, D] of query, key and value [B, H, G + T, D].

    T is at most ``2 * block_size`` or a multiple of ``block_size``. The result is the transposed view of a
    [B, G + T, H, D] tensor, so that merging the heads is free.
    """
    num_globals, num_tokens = key_mask.num_global_tokens, key_mask.num_tokens
    if num_tokens <= options.dense_limit:
        bias = None if position_bias is None else position_bias.dense(num_globals, num_tokens)
        return _attend(query, key, value, key_mask.for_every_query, bias, scale, dropout_p)

    tokens = slice(num_globals, None)
    entries = None
    if options.has_sparse:
        entries = select_entries(
            query[:, :, tokens],
            key[:, :, tokens],
            value[:, :, tokens],
            key_mask.tokens,
            options,
            scale,
            with_position=position_bias is not None,
        )
    parts = []
    if num_globals:
        # A global's bias is the same for all keys and drops out of the softmax.
        parts.append(_attend(query[:, :, :num_globals], key, value, key_mask.for_every_query, None, scale, dropout_p))
    for window in plan_windows(num_tokens, options):
        parts.append(
            _attend_window(query, key, value, entries, window, key_mask, options, scale, dropout_p, position_bias)
        )
    return torch.cat([part.transpose(1, 2) for part in parts], dim=1).transpose(1, 2)


def plan_windows(num_tokens: int, options: LSGOptions) -> list[Window]:
    """The windows of all blocks, in order; consecutive blocks with whole windows share one."""
    block, num_blocks = options.block_size, num_tokens // options.block_size
    entries, step, reach = 0, 0, 0
    if options.has_sparse:
        entries, step, reach = num_tokens // options.sparsity_factor, options.step, options.sparse_block_size
    windows: list[Window] = []
    whole_before = False
    for i in range(num_blocks):
        local = (max(0, (i - 1) * block), min(num_tokens, (i + 2) * block))
        left = (max(0, (i - 1) * step - reach), max(0, (i - 1) * step))
        right = (min(entries, (i + 2) * step), min(entries, (i + 2) * step + reach))
        whole = local[1] - local[0] == 3 * block and left[1] - left[0] == reach == right[1] - right[0]
        # A whole window that begins at entry 0 or token 0 stands alone: only there can the first token be masked.
        whole = whole and local[0] > 0 and (left[0] > 0 or not reach)
        if whole and whole_before:
            windows[-1] = windows[-1]._replace(count=windows[-1].count + 1)
        else:
            windows.append(Window(i, 1, local, left, right))
        whole_before = whole
    return windows


def _attend_window(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    entries: SparseEntries | None,
    window: Window,
    key_mask: KeyMask,
    options: LSGOptions,
    scale: float,
    dropout_p: float,
    position_bias: PositionBias | None,
) -> Tensor:
    """Context [B, H, count * block_size, D] of the window's blocks."""
    num_globals, block, count = key_mask.num_global_tokens, options.block_size, window.count
    first = num_globals + window.first * block
    blocks = query[:, :, first : first + count * block].unflatten(2, (count, block))
    keys = _gather_window(key, None if entries is None else entries.key, window, num_globals, options)
    values = _gather_window(value, None if entries is None else entries.value, window, num_globals, options)
    keep = _window_keep(key_mask, entries, window, options, query.shape[0])
    bias = None
    if position_bias is not None:
        bias = _window_bias(position_bias, entries, window, key_mask, options)
        bias = bias.expand(query.shape[0] if bias.shape[2] > 1 else -1, -1, -1, -1, -1).transpose(1, 2).flatten(0, 1)
    context = _attend(_fold(blocks), _fold(keys), _fold(values), keep, bias, scale, dropout_p)
    return context.unflatten(0, (-1, count)).transpose(1, 2).flatten(2, 3)


def _window_keep(
    key_mask: KeyMask, entries: SparseEntries | None, window: Window, options: LSGOptions, batch_size: int
) -> Tensor | None:
    """Which keys of the window may be attended, bool [B * count, H or 1, 1, W]; None where that is known to be all.

    Without padding a window of several blocks sees neither token 0 nor entry 0, and nothing else can be masked,
    save the empty buckets of ``lsh``.
    """
    may_be_empty = entries is not None and entries.keep is not None and options.sparsity_type == "lsh"
    if not (key_mask.padded or may_be_empty) and (key_mask.keep is None or window.count > 1):
        return None
    keep = key_mask.keep
    if keep is None:
        keep = torch.ones(1, 1, dtype=torch.bool, device=entries.key.device)  # type: ignore[union-attr]
        keep = keep.expand(1, key_mask.num_global_tokens + key_mask.num_tokens)
    keep = keep[:, None].expand(batch_size, -1, -1)
    sparse = None
    if entries is not None:
        num_entries = entries.key.shape[2]
        sparse = keep.new_ones(1, 1, num_entries) if entries.keep is None else entries.keep
        sparse = sparse.expand(batch_size, -1, -1)
        keep = keep.expand(-1, sparse.shape[1], -1)
    keep = _gather_window(keep, sparse, window, key_mask.num_global_tokens, options)
    return keep.transpose(1, 2).flatten(0, 1).unsqueeze(2)


def _window_bias(
    position_bias: PositionBias,
    entries: SparseEntries | None,
    window: Window,
    key_mask: KeyMask,
    options: LSGOptions,
) -> Tensor:
    """Bias [B or 1, H, count or 1, block, W] of the window's queries and keys."""
    count, block = window.count, options.block_size
    tokens = torch.arange(key_mask.num_tokens, device=position_bias.globals.device)
    sparse = None if entries is None else entries.position
    if sparse is None or sparse.dim() < 3:
        # Positions that do not depend on the data shift along with the blocks: one block's bias serves all.
        count, window = 1, window._replace(count=1)
    query_position = tokens[window.first * block :][: count * block].unflatten(0, (count, block))
    tokens = tokens[None, None]
    if sparse is not None:
        sparse = sparse.reshape(*[1] * (3 - sparse.dim()), *sparse.shape)
        tokens = tokens.expand(*sparse.shape[:2], -1)
    key_position = _gather_window(tokens, sparse, window, 0, options)
    return position_bias.window(query_position, key_position, key_mask.num_global_tokens, key_mask.num_tokens)


def _gather_window(
    sequence: Tensor, sparse: Tensor | None, window: Window, num_globals: int, options: LSGOptions
) -> Tensor:
    """The keys that each block sees, [B, H, count, W, ...], from [globals | tokens] and the sparse entries (dimension 2)."""
    count = window.count
    parts = []
    if num_globals:
        parts.append(sequence[:, :, None, :num_globals].expand(-1, -1, count, *[-1] * (sequence.dim() - 2)))
    if sparse is not None:
        parts += [
            _sliding(sparse, span, count, options.step) for span in (window.left, window.right) if span[0] < span[1]
        ]
    parts.append(_sliding(sequence[:, :, num_globals:], window.local, count, options.block_size))
    return torch.cat(parts, dim=3)


def _sliding(sequence: Tensor, span: tuple[int, int], count: int, shift: int) -> Tensor:
    """``count`` views of the span of dimension 2, each ``shift`` further on: [B, H, L, ...] -> [B, H, count, span, ...]."""
    length = span[1] - span[0]
    return sequence[:, :, span[0] : span[1] + (count - 1) * shift].unfold(2, length, shift).movedim(-1, 3)


def _fold(blocks: Tensor) -> Tensor:
    """[B, H, count, L, D] -> [B * count, H, L, D]."""
    return blocks.transpose(1, 2).flatten(0, 1)


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    keep: Tensor | None,
    bias: Tensor | None,
    scale: float,
    dropout_p: float,
) -> Tensor:
    """Fused attention. keep: bool, broadcastable to [B, H, Q, K]. A finite mask keeps fully masked rows finite."""
    mask = bias
    if keep is not None:
        mask = torch.zeros((), dtype=query.dtype, device=query.device) if bias is None else bias.to(query.dtype)
        mask = torch.where(keep, mask, torch.finfo(query.dtype).min)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout_p, scale=scale)
