"""Relative position bias for LSG attention: what T5-like models add to their scores instead of embedding positions."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .lsg_eager import is_captured, needs_gradients
from .lsg_graph import extrapolate
from .lsg_scores import LayerCall, fold, mask_bias
from .lsg_sequence import Sequence
from .lsg_windows import Window


class PositionBias:
    """Bias of a query and a key by their signed distance, for one forward pass; layers may share it.

    Args:
        relative: maps key position minus query position, long [...], to the bias of every head, [..., H].
        globals_: [H], the bias of a query towards every global that has no position.
        global_has_position: whether global 0 has one: 0, that of the token that it stands in for.

    The query of a global without position gives all keys the same bias, which drops out of its softmax and is left out
    here.
    """

    def __init__(
        self, relative: Callable[[Tensor], Tensor], globals_: Tensor, global_has_position: bool = False
    ) -> None:
        self.relative = relative
        self.globals = globals_
        self.global_has_position = global_has_position
        self._by_distance: Tensor | None = None
        self._backwards: Tensor | None = None

    def added_to(self, call: LayerCall) -> "BiasedCall":
        """The call, with this bias."""
        return BiasedCall(call.plan, call.scale, call.dropout_p, call.sparse, position_bias=self)

    def by_distance(self, num_tokens: int) -> Tensor:
        """[H, 2T - 1]: the bias at distances -(T - 1) ... T - 1: nothing else is ever asked of `relative`."""
        if self._by_distance is None or self._by_distance.shape[1] != 2 * num_tokens - 1:
            distances = torch.arange(1 - num_tokens, num_tokens, device=self.globals.device)
            self._by_distance = self.relative(distances).movedim(-1, 0)
            self._backwards = self._by_distance.flip(-1)
        return self._by_distance

    def dense(self, num_globals: int, num_tokens: int) -> Tensor:
        """[1, H, G + T, G + T]; for sequences below the dense limit."""
        position = torch.arange(num_tokens, device=self.globals.device)
        bias = self._of_positions(position, position[None, None], num_globals, num_tokens)
        if not num_globals:
            return bias
        of_globals = self.of_globals(num_globals, num_tokens)
        if of_globals is None:
            return functional.pad(bias, (0, 0, num_globals, 0))
        return torch.cat([of_globals, bias], dim=2)

    def of_globals(self, num_globals: int, num_tokens: int) -> Tensor | None:
        """[1, H, G, G + T], the bias of the globals' queries; None where it drops out of the softmax."""
        if not self.global_has_position:
            return None
        start = torch.zeros(1, dtype=torch.long, device=self.globals.device)
        position = torch.arange(num_tokens, device=self.globals.device)
        first = self._of_positions(start, position[None, None], num_globals, num_tokens)
        return functional.pad(first, (0, 0, 0, num_globals - 1))

    def of_globals_and_marked(self, marked: Tensor, num_globals: int, num_tokens: int) -> Tensor:
        """[B, H, G + M, G + M + T], the same where tokens at the positions [B, M] are global too."""
        start = int(self.global_has_position)
        queries = functional.pad(marked, (start, 0))
        tokens = torch.arange(num_tokens, device=marked.device).expand(marked.shape[0], -1)
        keys = torch.cat([marked, tokens], dim=1)[:, None, None].expand(-1, -1, queries.shape[1], -1)
        bias = self._of_positions(queries[:, None, :, None], keys, num_globals, num_tokens).squeeze(3)
        without_position = functional.pad(bias[:, :, start:], (0, 0, num_globals - start, 0))
        return torch.cat([bias[:, :, :start], without_position], dim=2)

    def window(self, query_position: Tensor, key_position: Tensor, num_globals: int, num_tokens: int) -> Tensor:
        """Bias of a block's queries towards the keys of its window.

        query_position: long [count, block], consecutive in each block.
        key_position: long [B or 1, H or 1, count, W - G], of all but the learned globals.
        Returns [B or 1, H, count, block, W].
        """
        return self._of_positions(query_position, key_position, num_globals, num_tokens)

    def accumulate_grad(
        self,
        gradient: Tensor,
        query_position: Tensor,
        key_position: Tensor,
        num_globals: int,
        grad_by_distance: Tensor,
        grad_globals: Tensor,
    ) -> None:
        """The opposite of `window` for one block: add the gradient [B, H, block, W] of what it returned."""
        start = int(self.global_has_position)
        grad_globals += gradient[..., start:num_globals].sum((0, 2, 3))
        if start:
            gradient = torch.cat([gradient[..., :1], gradient[..., num_globals:]], dim=-1)
            key_position = functional.pad(key_position, (1, 0))
        else:
            gradient = gradient[..., num_globals:]
        if key_position.shape[0] == 1:
            gradient = gradient.sum(0, keepdim=True)
        index = key_position - query_position.view(-1, 1) + grad_by_distance.shape[1] // 2
        index, gradient = (part.transpose(0, 1).flatten(1) for part in (index, gradient))
        grad_by_distance.scatter_add_(1, index.expand_as(gradient), gradient)

    def _of_positions(self, query: Tensor, key: Tensor, num_globals: int, num_tokens: int) -> Tensor:
        table = self.by_distance(num_tokens)
        start = int(self.global_has_position)
        if start:
            key = functional.pad(key, (1, 0))
        head = torch.arange(table.shape[0], device=table.device).view(-1, *[1] * (key.dim() - 2))
        if needs_gradients(table) or is_captured():
            distance = key.unsqueeze(-2) - query.unsqueeze(-1)
            bias = table[head.unsqueeze(-1), distance + (num_tokens - 1)]
        else:
            # Towards one key, the biases of consecutive queries are consecutive too, read backwards: faster to gather.
            # (The gradient of that would be as large as all such rows.)
            assert self._backwards is not None
            rows = self._backwards.unfold(1, query.shape[-1], 1)
            bias = rows[head, query[..., :1] - key + (num_tokens - 1)].transpose(-1, -2)
        towards_globals = self.globals.view(-1, *[1] * (key.dim() - 1)).expand(*bias.shape[:-1], num_globals - start)
        return torch.cat([bias[..., :start], towards_globals, bias[..., start:]], dim=-1)


@dataclass(frozen=True, kw_only=True)
class BiasedCall(LayerCall):
    """A call of the attention with a position bias: what is added to its scores is that, and its masks."""

    position_bias: PositionBias

    def attn_bias(self, window: Window, dtype: torch.dtype, *block: Tensor) -> Tensor | None:
        """What to add to the scores of a window, [B · num_blocks or 1, H, block_size, W]."""
        bias = self.position_bias.window(*self._positions(window), self._num_learned, self.plan.num_tokens)
        bias = fold(bias if bias.shape[2] == 1 else bias.expand(self.plan.batch_size, *bias.shape[1:]))
        return mask_bias(self.kept(window), dtype, bias)

    def dense_attn_bias(self, dtype: torch.dtype, *block: Tensor, globals_only: bool = False) -> Tensor | None:
        """The same where all queries attend to every key, [B or 1, H, G + T, G + T]; or those of globals."""
        plan, lengths = self.plan, (self._num_learned, self.plan.num_tokens)
        if globals_only and plan.marked_position is not None:
            bias = self.position_bias.of_globals_and_marked(plan.marked_position, *lengths)
            return mask_bias(plan.every_key, dtype, bias)
        of = self.position_bias.of_globals if globals_only else self.position_bias.dense
        return mask_bias(plan.every_key, dtype, of(*lengths))

    def bias_tensors(self) -> tuple[Tensor, ...]:
        """By distance, and towards globals."""
        return self.position_bias.by_distance(self.plan.num_tokens), self.position_bias.globals

    def accumulate_bias_grad(self, window: Window, gradient: Tensor, *block_and_grads: Tensor) -> None:
        """Add the gradient [B, H, block_size, W] of a block's scores to that of `bias_tensors`."""
        self.position_bias.accumulate_grad(gradient, *self._positions(window), self._num_learned, *block_and_grads[4:])

    @property
    def _num_learned(self) -> int:
        """The globals that are no marked tokens."""
        return self.plan.num_globals - (0 if self.plan.marked_position is None else self.plan.marked_position.shape[1])

    def _positions(self, window: Window) -> tuple[Tensor, Tensor]:
        """Positions of queries, long [num_blocks, block_size], and of their keys, learned globals apart, long
        [B or 1, H or 1, num_blocks, W - G]; of one block alone if the others' are the same, shifted.
        """
        sparse = None if self.sparse is None else self.sparse.position
        options, marked = self.plan.options, self.plan.marked_position
        # A global with a position is as far from each block as its position tells.
        fixed = self.position_bias.global_has_position or marked is not None
        if not fixed and (sparse is None or sparse.dim() < 3):
            if window.reaches_beyond:
                return self._positions_of_first(window)
            window = Window(window.block, 1, *window[2:])
        tokens = torch.arange(self.plan.num_tokens, device=self.plan.device)
        queries = tokens[window.block * options.block_size :][: window.num_blocks * options.block_size]
        keys = tokens[None, None]
        if sparse is not None:
            sparse = sparse.reshape(*[1] * (3 - sparse.dim()), *sparse.shape)
            keys = keys.expand(*sparse.shape[:2], -1)
        keys = Sequence(keys, sparse, 0, options).gather(window)
        if marked is not None:
            marked = marked[:, None, None].expand(-1, *keys.shape[1:3], -1)
            keys = torch.cat([marked, keys.expand(marked.shape[0], -1, -1, -1)], dim=3)
        return queries.unflatten(0, (-1, options.block_size)), keys

    def _positions_of_first(self, window: Window) -> tuple[Tensor, Tensor]:
        """The same of block 0, as if the sequence went on in front of it too: what does not exist is masked."""
        options, num_tokens = self.plan.options, self.plan.num_tokens
        parts = [torch.arange(*window.local, device=self.plan.device)[None]]
        if self.sparse is not None:
            sparse = torch.atleast_2d(self.sparse.position)
            both = (extrapolate(sparse, span, options.step, options.block_size) for span in (window.left, window.right))
            parts = [*both, parts[0].expand(len(sparse), -1)]
        # No distance is as large as there are tokens.
        keys = torch.cat(parts, dim=1).clamp(options.block_size - num_tokens, num_tokens - 1)
        return torch.arange(options.block_size, device=self.plan.device)[None], keys[None, :, None]
