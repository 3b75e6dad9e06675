"""Disentangled attention (DeBERTa, arXiv 2006.03654): scores get terms of content and position by distance.

A query q and a key k at the distance d (query position minus key position) have the score

    (q · k  +  q · keys[d]  +  queries[d] · k) * scale

where the rows of both tables belong to buckets of distances. Nothing of the kind is kept for a whole sequence: the
products with the rows that a block's window needs are made block by block, and each pair looks its terms up in them.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from .lsg_bias import BiasedCall
from .lsg_eager import is_captured
from .lsg_scores import LayerCall, fold, mask_bias
from .lsg_windows import AttentionPlan, Window

KEYS_AT_ONCE = 512  # where every key is attended to


class DisentangledPlan(AttentionPlan):
    """A plan in which few blocks share a window: the products with the tables are larger than keys are."""

    blocks_at_once = 8


@dataclass(frozen=True)
class DistanceRows:
    """Which row of a table each distance has; a longer distance never has an earlier row.

    Args:
        span: rows before that of the distance 0.
        num_buckets: twice as many buckets share the rows, the outer half of them grow logarithmically; 0: each distance
            has a row of its own. Either way, distances beyond the table have its first or its last row.
        max_distance: where the logarithm reaches the last bucket.
    """

    span: int
    num_buckets: int
    max_distance: int

    def of(self, distance: Tensor) -> Tensor:
        """The row of each distance, long, any shape."""
        if self.num_buckets > 0:
            half = self.num_buckets // 2
            far = distance.abs().clamp(min=half)
            # In this order, as trained models had it: another one rounds some distances into the next bucket.
            unit = torch.log(torch.tensor((self.max_distance - 1) / half, device=distance.device))
            growth = torch.ceil(torch.log(far / half) / unit * (half - 1))
            distance = torch.where(distance.abs() <= half, distance, (growth + half).long() * distance.sign())
        return (distance + self.span).clamp(0, 2 * self.span - 1)

    def among(self, lowest: int, highest: int) -> tuple[int, int]:
        """From which row up to which (exclusive) the rows of these distances are; perhaps one more on each side."""
        if is_captured():
            return 0, 2 * self.span
        first, last = (min(max(self._estimate(end) + self.span, 0), 2 * self.span - 1) for end in (lowest, highest))
        return max(first - 1, 0), min(last + 2, 2 * self.span)

    def _estimate(self, distance: int) -> int:
        half, far = self.num_buckets // 2, abs(distance)
        if self.num_buckets <= 0 or far <= half:
            return distance
        growth = math.ceil(math.log(far / half) / math.log((self.max_distance - 1) / half) * (half - 1))
        return (half + growth) * (1 if distance > 0 else -1)


class Part(NamedTuple):
    """Neighbouring keys: the row that each has from each query, long [N, H, K, Q], and which rows those are among, from
    and to (exclusive).
    """

    row: Tensor
    among: tuple[int, int]


class DisentangledBias:
    """What position adds to the scores of one layer.

    Args:
        rows: the row of each distance.
        keys: [H, R, D], what queries attend to by distance, times the factor on query-key products; None: nothing.
        queries: [H, R, D], what attends to keys by distance, times that factor; None: nothing.
        global_has_position: whether global 0 has one: 0, that of the token that it stands in for. Other globals have
            none: nothing is added to their scores.
    """

    def __init__(
        self, rows: DistanceRows, keys: Tensor | None, queries: Tensor | None, global_has_position: bool = False
    ) -> None:
        self.rows = rows
        self.keys = keys
        self.queries = queries
        self.global_has_position = global_has_position

    def added_to(self, call: LayerCall) -> "DisentangledCall":
        """The call, with this bias."""
        return DisentangledCall(call.plan, call.scale, call.dropout_p, call.sparse, position_bias=self)

    def row_by_key(self, query_position: Tensor, key_position: Tensor, num_tokens: int) -> Tensor:
        """Rows [..., K, Q], of consecutive query positions [..., Q] and key positions [..., K]."""
        table = self.rows.of(torch.arange(1 - num_tokens, num_tokens, device=key_position.device))
        if is_captured():
            distance = query_position.unsqueeze(-2) - key_position.unsqueeze(-1)  # or more, to keys that do not exist
            return table[distance.clamp(1 - num_tokens, num_tokens - 1) + (num_tokens - 1)]
        # Of one key, the rows of consecutive queries are consecutive too: faster to gather.
        return table.unfold(0, query_position.shape[-1], 1)[query_position[..., :1] - key_position + (num_tokens - 1)]

    def terms(self, query: Tensor, key: Tensor, parts: list[Part]) -> list[Tensor]:
        """Terms [N, H, Q, K] of each part, of query [N, H, Q, D] and the keys of all parts [N, H, sum of K, D]."""
        towards = None if self.keys is None else query @ self.keys.to(query.dtype).transpose(-1, -2)
        terms = []
        for (row, (first, last)), keys in zip(parts, _split(key, parts), strict=True):
            term = query.new_zeros(()).expand(*row.shape[:2], row.shape[3], row.shape[2])
            if towards is not None:
                term = towards.gather(-1, row.transpose(-1, -2))
            if self.queries is not None:
                back = keys @ self.queries[:, first:last].to(key.dtype).transpose(-1, -2)
                term = term + back.gather(-1, row - first).transpose(-1, -2)
            terms.append(term)
        return terms

    def accumulate_grad(
        self, gradients: list[Tensor], query: Tensor, key: Tensor, parts: list[Part], grads: "TermGrads"
    ) -> None:
        """The opposite of `terms`, for the gradient [B, H, Q, K] of each part."""
        towards = query.new_zeros(*query.shape[:3], 2 * self.rows.span)
        split = zip(gradients, parts, _split(key, parts), _split(grads.key, parts), strict=True)
        for gradient, (row, (first, last)), keys, grad_keys in split:
            if grads.keys is not None:
                towards.scatter_add_(-1, row.transpose(-1, -2), gradient)
            if grads.queries is not None and self.queries is not None:
                back = key.new_zeros(*keys.shape[:3], last - first)
                back.scatter_add_(-1, row - first, gradient.transpose(-1, -2))
                grad_keys += back @ self.queries[:, first:last].to(key.dtype)
                grads.queries[:, first:last] += (back.transpose(-1, -2) @ keys).sum(0)
        if grads.keys is not None and self.keys is not None:
            grads.query.add_(towards @ self.keys.to(query.dtype))
            grads.keys.add_((towards.transpose(-1, -2) @ query).sum(0))

    def of_every_key(
        self, query: Tensor, query_position: Tensor, key: Tensor, key_position: Tensor, last_query: int | None
    ) -> Tensor:
        """Terms [B, H, Q, K] of query [B, H, Q, D] at positions [B or 1, Q], and key [B, H, K, D] at [B or 1, K].

        last_query: the last query's position, if keys are at their index or one before; None if they are anywhere.
        """
        terms = []
        for start in range(0, key.shape[2], KEYS_AT_ONCE):
            chunk = slice(start, min(start + KEYS_AT_ONCE, key.shape[2]))
            row = self.rows.of(query_position[:, None, None] - key_position[:, None, chunk, None])
            row = row.expand(*key.shape[:2], -1, -1)
            known = last_query is not None and not is_captured()
            among = self.rows.among(-chunk.stop, last_query - start + 1) if known else (0, 2 * self.rows.span)
            terms += self.terms(query, key[:, :, chunk], [Part(row, among)])
        return torch.cat(terms, dim=-1)


class TermGrads(NamedTuple):
    """Gradients to be added to: of a block's queries and keys, and of the tables; None where there is no table."""

    query: Tensor
    key: Tensor
    keys: Tensor | None
    queries: Tensor | None


def _split(key: Tensor, parts: list[Part]) -> tuple[Tensor, ...]:
    return key.split([part.row.shape[2] for part in parts], dim=2)


@dataclass(frozen=True, kw_only=True)
class DisentangledCall(BiasedCall):
    """A call of the attention with disentangled scores."""

    position_bias: DisentangledBias  # type: ignore[assignment]

    by_content = True

    def attn_bias(self, window: Window, dtype: torch.dtype, query: Tensor, key: Tensor) -> Tensor | None:
        """What to add to the scores of a window, [B · num_blocks, H, block_size, W]."""
        parts = self._parts(window, query.shape[1])
        terms = self.position_bias.terms(query, self._with_position(key), parts)
        nothing = query.new_zeros(()).expand(*query.shape[:3], self._num_without)
        terms.insert(self._num_with, nothing)
        return mask_bias(self.kept(window), dtype, torch.cat(terms, dim=-1))

    def dense_attn_bias(
        self, dtype: torch.dtype, query: Tensor, key: Tensor, globals_only: bool = False
    ) -> Tensor | None:
        """The same where all queries attend to every key, [B, H, G + T, G + T]; or those of globals."""
        plan, marked = self.plan, self.plan.marked_position if globals_only else None
        position = torch.arange(plan.num_tokens, device=plan.device)[None]
        if marked is not None:
            position = torch.cat([marked, position.expand(marked.shape[0], -1)], dim=1)
        position = functional.pad(position, (self._num_with, 0))
        queries = self._with_position(query)
        if not queries.shape[2]:
            return mask_bias(plan.every_key, dtype)
        last_query = None if marked is not None else 0 if globals_only else plan.num_tokens - 1
        terms = self.position_bias.of_every_key(
            queries, position[:, : queries.shape[2]], self._with_position(key), position, last_query
        )
        for dim in (2, 3):
            with_position = terms.split([self._num_with, terms.shape[dim] - self._num_with], dim=dim)
            shape = [*terms.shape]
            shape[dim] = self._num_without
            terms = torch.cat([with_position[0], terms.new_zeros(()).expand(shape), with_position[1]], dim=dim)
        return mask_bias(plan.every_key, dtype, terms)

    def bias_tensors(self) -> tuple[Tensor, ...]:
        """The tables that there are."""
        return tuple(table for table in (self.position_bias.keys, self.position_bias.queries) if table is not None)

    def accumulate_bias_grad(
        self,
        window: Window,
        gradient: Tensor,
        block: tuple[Tensor, Tensor],
        grads: tuple[Tensor, Tensor],
        *tables: Tensor,
    ) -> None:
        """Add the gradient [B, H, block_size, W] of a block's scores to that of `bias_tensors`, and to those of its
        query and key.
        """
        bias, left = self.position_bias, [*tables]
        keys, queries = (None if table is None else left.pop(0) for table in (bias.keys, bias.queries))
        parts = self._parts(window, gradient.shape[1])
        query, key = (part.float() for part in block)
        grad_key = torch.zeros_like(self._with_position(key))
        gradients = self._with_position(gradient.transpose(2, 3)).transpose(2, 3)
        sizes = [part.row.shape[2] for part in parts]
        bias.accumulate_grad(
            [*gradients.split(sizes, dim=3)],
            query,
            self._with_position(key),
            parts,
            TermGrads(grads[0], grad_key, keys, queries),
        )
        grads[1][:, :, : self._num_with] += grad_key[:, :, : self._num_with]
        grads[1][:, :, self._num_learned :] += grad_key[:, :, self._num_with :]

    @property
    def _num_with(self) -> int:
        """Learned globals that have a position."""
        return int(self.position_bias.global_has_position)

    @property
    def _num_without(self) -> int:
        """Those that have none."""
        return self._num_learned - self._num_with

    def _with_position(self, sequence: Tensor) -> Tensor:
        """[B, H, L, ...] without the globals that have no position."""
        if not self._num_without:
            return sequence
        return torch.cat([sequence[:, :, : self._num_with], sequence[:, :, self._num_learned :]], dim=2)

    def _parts(self, window: Window, num_heads: int) -> list[Part]:
        """The keys of a window that have positions, in order."""
        options, marked = self.plan.options, self.plan.marked_position
        first, many = window.block * options.block_size, window.num_blocks - 1
        last = first + options.block_size - 1
        queries, keys = self._positions(window)
        local_queries = torch.arange(first, last + 1, device=keys.device)[None]
        parts: list[Part] = []

        def add(queries: Tensor, keys: Tensor, lowest: int, highest: int) -> None:
            row = self.position_bias.row_by_key(queries, keys, self.plan.num_tokens)
            row = row.expand(self.plan.batch_size, num_heads, window.num_blocks, -1, -1)
            parts.append(Part(fold(row), self.position_bias.rows.among(lowest, highest)))

        if self._num_with:
            add(queries, torch.zeros_like(keys[:1, :1, :, :1]), first, last + many * options.block_size)
        start = 0 if marked is None else marked.shape[1]
        if start:
            add(queries, keys[..., :start], -self.plan.num_tokens, self.plan.num_tokens)
        for span in (window.left, window.right):
            if span[0] < span[1]:
                # A sparse token may come from anywhere in its block.
                begin = span[0] // options.step * options.block_size
                end = -(-span[1] // options.step) * options.block_size
                stop = start + span[1] - span[0]
                add(queries, keys[..., start:stop], first - end + 1, last - begin)
                start = stop
        for begin in range(*window.local, options.block_size):
            end = min(begin + options.block_size, window.local[1])
            positions = torch.arange(begin, end, device=keys.device)[None, None, None]
            add(local_queries, positions, first - end + 1, last - begin)
        return parts
