"""The lengths that checks measure at: one of every regime that the attention distinguishes."""

from __future__ import annotations

from lsg_convert.modeling.lsg_options import LSGOptions

DEFAULT_SOURCE_LENGTH = 512  # of a source that has no position table and so no limit of its own


def dense_lengths(options: LSGOptions, limit: int) -> list[int]:
    """Lengths at which every query attends to every key: half a block and a bit, a block, and the dense limit.

    Of a source that takes less than that, the same parts of what it takes.
    """
    longest = min(options.dense_limit, limit)
    return _within([longest // 4 + 3, longest // 2, longest], limit)


def window_lengths(options: LSGOptions, limit: int) -> list[int]:
    """Lengths at which blocks see windows: just above the dense limit, unaligned, aligned.

    The last is long enough for a block with sparse tokens on both sides.
    """
    block = options.block_size
    if options.local_attention == "sliding":
        side = -(-max(options.attention_window or (2 * block,)) // 2 // block) - 1  # blocks beyond the neighbours
    else:
        side = 0
    reach = -(-options.sparse_block_size * options.sparsity_factor // block) if options.has_sparse else 0
    whole = (1 + 2 * (side + min(reach, 3))) * block + max(options.dense_limit, 2 * block)
    lengths = [options.dense_limit + 1, whole - block // 2 - 1, whole]
    return [length for length in _within(lengths, limit) if length > options.dense_limit]


def drift_lengths(options: LSGOptions, limit: int) -> list[int]:
    """Lengths above the dense limit, up to the source's own maximum."""
    return sorted({*window_lengths(options, limit), *([limit] if limit > options.dense_limit else [])})


def _within(lengths: list[int], limit: int) -> list[int]:
    """`lengths` cut to `limit`, each once, in order."""
    return sorted({max(3, min(length, limit)) for length in lengths})
