"""Global tokens with projections of their own (Longformer, arXiv 2004.05150).

What attends to a marked token sees its usual key and value. What a marked token itself attends with are further
projections: of its query, and of the keys and values of all tokens. Padding gets no context at all, which shows in
losses over all positions, such as that of question answering.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .lsg_scores import mask_bias
from .lsg_self_attention import LSGSelfAttention
from .lsg_windows import AttentionPlan

GLOBAL_PROJECTIONS = ("query_global", "key_global", "value_global")


class LSGGlobalSelfAttention(LSGSelfAttention):
    """LSG self-attention in which the outputs of marked tokens come from projections of their own."""

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
        inputs = (_take(hidden_states, rows), hidden_states, hidden_states)
        query, key, value = (
            self._heads(getattr(self, name)(given)) for name, given in zip(GLOBAL_PROJECTIONS, inputs, strict=True)
        )
        found = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=mask_bias(plan.every_key, query.dtype),
            dropout_p=self.dropout_probability if self.training else 0.0,
            scale=self.scale,
        )
        return found.transpose(1, 2).flatten(2)


def _take(sequence: Tensor, rows: Tensor) -> Tensor:
    """[B, R, width], those at long [B, R] of a sequence [B, L, width]."""
    return sequence.gather(1, rows[..., None].expand(-1, -1, sequence.shape[2]))
