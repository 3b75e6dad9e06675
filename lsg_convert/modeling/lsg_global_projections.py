"""Global tokens with projections of their own (Longformer, arXiv 2004.05150).

What attends to a marked token sees its usual key and value. What a marked token itself attends with are further
projections: of its query, and of the keys and values of all tokens. Padding gets no context at all, which shows in
losses over all positions, such as that of question answering.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .lsg_eager import are_plain_float32, needs_gradients
from .lsg_scores import mask_bias
from .lsg_self_attention import LSGSelfAttention, is_watched
from .lsg_windows import AttentionPlan

GLOBAL_PROJECTIONS = ("query_global", "key_global", "value_global")


class LSGGlobalSelfAttention(LSGSelfAttention):
    """LSG self-attention in which the outputs of marked tokens come from projections of their own."""

    takes_whole_blocks = True
    key_global: nn.Linear
    value_global: nn.Linear

    def __init__(self, source: nn.Module, *args: Any, **kwargs: Any) -> None:
        super().__init__(source, *args, **kwargs)
        for name in GLOBAL_PROJECTIONS:
            self.add_module(name, getattr(source, name))

    def attend(self, hidden_states: Tensor, plan: AttentionPlan, position_bias: Any = None) -> Tensor:
        """Attention context [batch, length, heads · head width] of `hidden_states` [batch, length, width]."""
        context = super().attend(hidden_states, plan, position_bias)
        if plan.no_padding is not None:
            no_padding = functional.pad(plan.no_padding, (plan.num_globals, 0), value=True)
            context = context.masked_fill(~no_padding[..., None], 0.0)
        inner = plan.with_marked
        if inner is None or inner.marked is None or inner.marked_position is None:
            return context
        of_marked = self._attend_globally(hidden_states, plan, inner.marked_position + plan.num_globals)
        # Of each token its place among the marked ones of its row; of those that are not marked, any.
        place = functional.pad(inner.marked.cumsum(1) - 1, (plan.num_globals, 0)).clamp(min=0)
        marked = functional.pad(inner.marked, (plan.num_globals, 0))[..., None]
        return torch.where(marked, _take(of_marked, place), context)

    def _attend_globally(self, hidden_states: Tensor, plan: AttentionPlan, rows: Tensor) -> Tensor:
        """Contexts [batch, M, width] of the tokens at rows [batch, M]: they attend to every token."""
        query = self._heads(self.query_global(_take(hidden_states, rows)))
        if self._can_project_back(hidden_states, query):
            return self._attend_to_states(hidden_states, query, plan)
        key, value = self._heads(self.key_global(hidden_states)), self._heads(self.value_global(hidden_states))
        found = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=mask_bias(plan.every_key, query.dtype),
            dropout_p=self.dropout_probability if self.training else 0.0,
            scale=self.scale,
        )
        return found.transpose(1, 2).flatten(2)

    def _can_project_back(self, hidden_states: Tensor, query: Tensor) -> bool:
        """Whether the queries are few enough for less to compute, and nobody notices that a projection is not run."""
        modules: list[Any] = [getattr(self, name) for name in GLOBAL_PROJECTIONS[1:]]
        plain = all(type(module) is nn.Linear and not is_watched(module) for module in modules)
        if not plain or (self.training and self.dropout_probability) or 2 * query.shape[2] > self.head_width:
            return False
        weights = [module.weight for module in modules]
        return are_plain_float32(hidden_states, query, *weights) and not needs_gradients(hidden_states, *weights)

    def _attend_to_states(self, hidden_states: Tensor, query: Tensor, plan: AttentionPlan) -> Tensor:
        """The same, of query [batch, heads, M, head width], without keys and values of all tokens: the queries go back
        through the projection of the keys, and what they find in the hidden states forward through that of the values.

        The bias of the keys adds the same to all scores of a query, which drops out of its softmax.
        """
        key, value = (
            projection.weight.unflatten(0, (self.num_heads, self.head_width))
            for projection in (self.key_global, self.value_global)
        )
        found = functional.scaled_dot_product_attention(
            (query @ key).flatten(1, 2)[:, None],
            hidden_states[:, None],
            hidden_states[:, None],
            attn_mask=mask_bias(plan.every_key, query.dtype),
            scale=self.scale,
        )
        found = found.view(*query.shape[:3], -1) @ value.transpose(1, 2)
        context = found.transpose(1, 2).flatten(2)
        return context if self.value_global.bias is None else context + self.value_global.bias


def _take(sequence: Tensor, rows: Tensor) -> Tensor:
    """[B, R, width], those at long [B, R] of a sequence [B, L, width]."""
    return sequence.gather(1, rows[..., None].expand(-1, -1, sequence.shape[2]))
