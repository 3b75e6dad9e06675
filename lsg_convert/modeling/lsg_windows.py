"""Which keys the queries attend to: `AttentionPlan`, made once for a forward pass, and the `Window` of each block."""

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .lsg_eager import is_captured, is_eager_on_cpu
from .lsg_graph import holds
from .lsg_options import LSGOptions

# On a CPU, of all texts of a batch. One thread waits for no other, and more stays in its cache.
QUERIES_AT_ONCE, QUERIES_OF_ONE_THREAD = 1024, 512


class Window(NamedTuple):
    """The keys of neighbouring blocks of queries: the first block's spans, each next one the same a block further on.

    block: the first block. num_blocks: how many share the window. masked: whether some of its keys may be masked.
    local: tokens from, to. left, right: sparse tokens from, to. Spans end with the sequence, unless reaches_beyond.
    """

    block: int
    num_blocks: int
    masked: bool
    local: tuple[int, int]
    left: tuple[int, int]
    right: tuple[int, int]
    reaches_beyond: bool = False


class AttentionPlan:
    """What all layers of a forward pass share: which keys may be attended to, and the windows of the blocks.

    Args:
        options: the LSG options.
        tokens: bool [B, T], False where a token is padding; None when none is.
        batch_size: B.
        num_tokens: T, at most the dense limit or a multiple of the block size.
        device: where the layers compute.
        opening_rows: bool [B], whether global 0 stands in for token 0 of a row; None when it does in all. In other rows
            it is no key, and token 0 is one.

    Attributes:
        keep: bool [B or 1, G + T], None when all keys are kept.
        keeps_globals: whether the globals are known to be kept in every row.
        no_padding: bool [B, T], False where a token is padding; None when none is.
        padded: whether more than the first token may be masked.
        with_marked: the plan of [globals | marked tokens | tokens], if tokens are marked above the dense limit.
        half_window: how many tokens on each side a token attends to; None where it attends to blocks.
        never_keeps_first: whether token 0 is known to be masked in every row; windows begin behind it then.
        windows: the windows of all blocks, in order; none up to the dense limit.
        shared_windows: the same for attention that keeps no terms of pairs, more blocks to a window on a CPU.
        positions: [B or 1, n], where the caller gives the tokens' positions.
        without_first: whether token 0 has been left out of the sequence.
        global_bias: [n], what is added to the scores of tokens towards the first n globals; None where that is nothing.
    """

    positions: Tensor | None = None
    without_first: bool = False
    global_bias: Tensor | None = None
    position_bias: Any = None  # of the last layer that ran, where scores have one

    # See `mark_tokens`. In the inner plan: positions [B, M], rows of the sequence, and where each of its rows is then.
    marked: Tensor | None = None
    with_marked: "AttentionPlan | None" = None
    marked_position: Tensor | None = None
    rows: Tensor
    rows_back: Tensor

    def __init__(
        self,
        options: LSGOptions,
        tokens: Tensor | None,
        batch_size: int,
        num_tokens: int,
        device: torch.device,
        opening_rows: Tensor | None = None,
    ) -> None:
        self.options = options
        self.batch_size = batch_size
        self.num_tokens = num_tokens
        self.num_globals = options.num_global_tokens
        self.device = device
        self.padded = tokens is not None
        self.no_padding = tokens
        self.half_window = options.half_window(0)
        self.plans_of_others: dict[int | None, AttentionPlan] = {}
        self.opening_rows = opening_rows
        self.keep: Tensor | None = None
        self.keeps_globals = opening_rows is None or not options.mask_first_token
        if tokens is not None or options.mask_first_token:
            self.keep = self._kept_keys(tokens)
        self.make_windows()

    def to(self, device: torch.device | int | str, **kwargs: Any) -> "AttentionPlan":
        """The plan for layers on `device`: a model on several has accelerate ask for it before each layer."""
        device = torch.device(device)
        if device == self.device:
            return self
        moved = copy.copy(self)
        moved.device, moved.plans_of_others = device, {}
        for name, value in vars(self).items():
            if isinstance(value, Tensor | AttentionPlan):
                setattr(moved, name, value.to(device, **kwargs))
        return moved

    def make_windows(self) -> None:
        """Plan the windows of all blocks."""
        masks_first = self.options.mask_first_token and self.opening_rows is None
        starts_there = self.num_globals == self.options.num_global_tokens  # no tokens have been put among the globals
        self.never_keeps_first = masks_first and starts_there and not is_captured()
        self._masked_before: list[int] | None = None
        if self.tokens is not None and self.padded and is_eager_on_cpu(self.device):
            # Where asking is free: which tokens are masked in some row, so that other windows go without a mask.
            self._masked_before = [0, *(~self.tokens).any(0).cumsum(0).tolist()]
        if self.is_dense:
            self.windows = self.shared_windows = []
        elif is_captured():
            self.windows = self.shared_windows = [_window_of_all(self)]
        elif is_eager_on_cpu(self.device):
            # Few at a time, so that what is gathered stays in the cache; not one, as every call waits for its threads.
            self.windows = plan_windows(self, 1)
            at_once = QUERIES_OF_ONE_THREAD if torch.get_num_threads() == 1 else QUERIES_AT_ONCE
            blocks = at_once // (self.batch_size * self.options.block_size)
            self.shared_windows = plan_windows(self, max(1, blocks))
        else:
            self.windows = self.shared_windows = plan_windows(self, self.num_tokens)

    def _kept_keys(self, tokens: Tensor | None) -> Tensor:
        if tokens is None:
            tokens = torch.ones(1, self.num_tokens, dtype=torch.bool, device=self.device)
        globals_ = tokens.new_ones(1, self.num_globals)
        if self.options.mask_first_token:
            kept = torch.arange(self.num_tokens, device=self.device) > 0
            if self.opening_rows is not None:
                opens = self.opening_rows[:, None]
                kept = kept | ~opens
                globals_ = torch.cat([opens, globals_[:, 1:].expand(opens.shape[0], -1)], dim=1)
            tokens = tokens & kept
        return torch.cat([globals_.expand(tokens.shape[0], -1), tokens], dim=1)

    @property
    def is_dense(self) -> bool:
        """Whether every query is known to attend to every key."""
        if self.half_window is None:
            return holds(self.num_tokens <= self.options.dense_limit)
        return holds(self.num_tokens - 1 <= self.half_window)

    def arrange(self, sequence: Tensor) -> Tensor:
        """[B, n + T, ...] in the order in which the layers see it."""
        return sequence

    def restore(self, sequence: Tensor) -> Tensor:
        """The opposite of `arrange`."""
        return sequence

    @property
    def tokens(self) -> Tensor | None:
        """Bool [B or 1, T], None when all are kept."""
        return None if self.keep is None else self.keep[:, self.num_globals :]

    @property
    def every_key(self) -> Tensor | None:
        """Bool [B or 1, 1, 1, G + T], for queries that attend to every key; None when all are kept."""
        return None if self.keep is None else self.keep[:, None, None]

    def keeps_all(self, first: int, last: int) -> bool:
        """Whether tokens first … last - 1 are known to be kept in every row."""
        if self.keep is None or first >= last:
            return True
        if self._masked_before is None:
            return not self.padded and first > 0
        return self._masked_before[first] == self._masked_before[last]

    def queries(self, window: Window) -> slice:
        """Where the window's queries are in [globals | tokens]."""
        first = self.num_globals + window.block * self.options.block_size
        return slice(first, first + window.num_blocks * self.options.block_size)


def _spans(plan: AttentionPlan, block: int) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """From where to where a block attends: to tokens, and to sparse tokens on both sides, as if there were no ends."""
    options = plan.options
    size = options.block_size
    side = size if plan.half_window is None else plan.half_window
    first, last = block * size - side, (block + 1) * size + side
    if not options.has_sparse:
        return (first, last), (0, 0), (0, 0)
    ends, begins, reach = first // options.sparsity_factor, last // options.sparsity_factor, options.sparse_block_size
    return (first, last), (ends - reach, ends), (begins, begins + reach)


def _window_of_all(plan: AttentionPlan) -> Window:
    """One window for all blocks, however many there are."""
    return Window(0, plan.num_tokens // plan.options.block_size, True, *_spans(plan, 0), reaches_beyond=True)


def plan_windows(plan: AttentionPlan, at_once: int) -> list[Window]:
    """The windows of all blocks, in order; up to ``at_once`` neighbours share one if theirs differ by a shift only."""
    options, num_tokens = plan.options, plan.num_tokens
    block, step = options.block_size, options.step if options.has_sparse else 0
    num_sparse = step * (num_tokens // block)
    begin = int(plan.never_keeps_first)
    # A token that is masked alone is no sparse token where others of its segment may be selected instead.
    first_origin = 0 if options.sparsity_factor == 1 or "stride" in options.sparsity_type else begin
    windows: list[Window] = []
    for i in range(num_tokens // block):
        ends = zip(_spans(plan, i), (num_tokens, num_sparse, num_sparse), strict=True)
        local, left, right = ((min(end, max(0, a)), min(end, max(0, b))) for (a, b), end in ends)
        local = (max(begin, local[0]), local[1])
        # A sparse token may come from anywhere in its block.
        origins = [(max(first_origin, a // step * block), -(-b // step) * block) for a, b in (left, right) if a < b]
        masked = not (plan.keeps_globals and all(plan.keeps_all(*span) for span in (local, *origins)))
        window = Window(i, 1, masked, local, left, right)
        if windows and windows[-1].num_blocks < at_once and _continues(windows[-1], window, block, step):
            before = windows[-1]
            windows[-1] = Window(before.block, before.num_blocks + 1, *before[2:])
        else:
            windows.append(window)
    return windows


def _continues(before: Window, window: Window, block: int, step: int) -> bool:
    """Whether the window is that of the blocks before, shifted."""
    n = before.num_blocks
    shifted = [
        (span[0] + n * shift, span[1] + n * shift)
        for span, shift in ((before.local, block), (before.left, step), (before.right, step))
    ]
    return shifted == [window.local, window.left, window.right] and before.masked == window.masked
