"""Disentangled attention (DeBERTa, arXiv 2006.03654): scores get terms of content and position by distance.

A query q and a key k at the distance d (query position minus key position) have the score

    (q · k  +  q · keys[d]  +  queries[d] · k) * scale

where the rows of both tables belong to buckets of distances. Nothing of the kind is kept for a whole sequence: the
products with the rows that a block's window needs are made block by block, and each pair looks its terms up in them.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from .lsg_eager import is_captured

KEYS_AT_ONCE = 512  # where every key is attended to


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


class TermGrads(NamedTuple):
    """Gradients to be added to: of a block's queries and keys, and of the tables; None where there is no table."""

    query: Tensor
    key: Tensor
    keys: Tensor | None
    queries: Tensor | None


class DisentangledTerms:
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
        self, gradients: Iterable[Tensor], query: Tensor, key: Tensor, parts: list[Part], grads: TermGrads
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
        for start in [0] if is_captured() else range(0, key.shape[2], KEYS_AT_ONCE):  # a graph knows not how many
            chunk = slice(start, None if is_captured() else min(start + KEYS_AT_ONCE, key.shape[2]))
            row = self.rows.of(query_position[:, None, None] - key_position[:, None, chunk, None])
            row = row.expand(*key.shape[:2], -1, -1)
            among = (0, 2 * self.rows.span)
            if last_query is not None and chunk.stop is not None:
                among = self.rows.among(-chunk.stop, last_query - start + 1)
            terms += self.terms(query, key[:, :, chunk], [Part(row, among)])
        return torch.cat(terms, dim=-1)


def _split(key: Tensor, parts: list[Part]) -> tuple[Tensor, ...]:
    return key.split([part.row.shape[2] for part in parts], dim=2)
