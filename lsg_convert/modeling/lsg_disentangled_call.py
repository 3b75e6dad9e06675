"""A call of LSG attention with disentangled scores: which pairs of its windows get terms of position."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .lsg_bias import BiasedCall
from .lsg_disentangled import DisentangledTerms, Part, TermGrads
from .lsg_eager import is_captured, is_eager_on_cpu
from .lsg_scores import LayerCall, fold, mask_bias
from .lsg_windows import AttentionPlan, Window, plan_windows

BLOCKS_AT_ONCE = 8


class DisentangledPlan(AttentionPlan):
    """A plan in which few blocks share a window: the products with the tables are larger than keys are."""

    def make_windows(self) -> None:
        """Plan the windows of all blocks."""
        super().make_windows()
        if not (self.is_dense or is_captured() or is_eager_on_cpu(self.device)):
            self.windows = plan_windows(self, BLOCKS_AT_ONCE)


class DisentangledBias(DisentangledTerms):
    """What position adds to the scores of a layer: `lsg_attention` takes it as position bias."""

    def added_to(self, call: LayerCall) -> "DisentangledCall":
        """The call, with this bias."""
        return DisentangledCall(call.plan, call.scale, call.dropout_p, call.sparse, True, position_bias=self)


@dataclass(frozen=True, kw_only=True)
class DisentangledCall(BiasedCall):
    """A call of the attention with disentangled scores."""

    position_bias: DisentangledBias  # type: ignore[assignment]

    def attn_bias(self, window: Window, dtype: torch.dtype, *block: Tensor) -> Tensor | None:
        """What to add to the scores of a window, [B · num_blocks, H, block_size, W]."""
        query, key = block
        parts = self._parts(window, query.shape[1])
        terms = self.position_bias.terms(query, self._with_position(key), parts)
        nothing = query.new_zeros(()).expand(*query.shape[:3], self._num_without)
        terms.insert(self._num_with, nothing)
        return mask_bias(self.kept(window), dtype, torch.cat(terms, dim=-1))

    def dense_attn_bias(self, dtype: torch.dtype, *block: Tensor, globals_only: bool = False) -> Tensor | None:
        """The same where all queries attend to every key, [B, H, G + T, G + T]; or those of globals."""
        query, key = block
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

    def accumulate_bias_grad(self, window: Window, gradient: Tensor, *block_and_grads: Tensor) -> None:
        """Add the gradient [B, H, block_size, W] of a block's scores to those of its query, key and `bias_tensors`."""
        query, key, grad_query, all_grad_key, *tables = block_and_grads
        bias, start = self.position_bias, self._num_with
        keys, queries = (None if table is None else tables.pop(0) for table in (bias.keys, bias.queries))
        parts = self._parts(window, gradient.shape[1])
        query, key = query.float(), self._with_position(key.float())
        grad_key = torch.zeros_like(key)
        of_terms = self._with_position(gradient.transpose(2, 3)).transpose(2, 3)
        gradients = of_terms.split([part.row.shape[2] for part in parts], dim=3)
        bias.accumulate_grad(gradients, query, key, parts, TermGrads(grad_query, grad_key, keys, queries))
        all_grad_key[:, :, :start] += grad_key[:, :, :start]
        all_grad_key[:, :, self._num_learned :] += grad_key[:, :, start:]

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
