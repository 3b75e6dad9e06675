"""A library layer's self-attention with LSG attention in it, and how such a layer is run."""

from typing import Any, NamedTuple

import torch
from torch import nn

from .lsg_attention import lsg_attention
from .lsg_compat import run_layer, self_attention_inputs, self_attention_values
from .lsg_eager import is_eager_on_cpu
from .lsg_sliding import plan_of_half_window, slides
from .lsg_windows import AttentionPlan

# That a layer's feed-forward part gets on a CPU. Fewer need more calls, each of which waits for its slowest thread.
TOKENS_AT_ONCE = 2048


class LayerAttention(NamedTuple):
    """What a library layer hands on to its self-attention, where it takes an attention mask.

    plan: what to attend to. context: what attention has returned already [1, n, width], of the layer's n tokens; None
    where it is still to be computed.
    """

    plan: AttentionPlan
    context: torch.Tensor | None = None


class LSGSelfAttention(nn.Module):
    """A library layer's self-attention with LSG attention in it: same projections, same parameter names.

    Args:
        source: the library's module, whose projections are taken over.
        projections: names of its query, key and value projections, then of its output projection if it has one.
        num_heads: number of attention heads.
        scale: factor on query-key products; 1/√(head width) unless given.
        dropout: attention dropout probability while training.

    `takes_whole_blocks`: whether padding up to a whole block must be there in a graph too.
    `reads_positions`: whether scores depend on where tokens are in the sequence.
    """

    takes_whole_blocks = False
    reads_positions = False

    def __init__(
        self,
        source: nn.Module,
        projections: tuple[str, ...],
        num_heads: int,
        dropout: float,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        self.projections = projections
        for name in projections:
            self.add_module(name, getattr(source, name))
        self.num_heads = num_heads
        self.head_width = getattr(source, projections[0]).out_features // num_heads
        self.scale = self.head_width**-0.5 if scale is None else scale
        self.dropout_probability = dropout
        self.half_window: int | None = None  # of sliding attention; an encoder whose options say so sets it
        # An attribute and not a call of the module's function, so that a check can put another implementation here.
        self.attention = lsg_attention

    def attend(self, hidden_states: torch.Tensor, plan: AttentionPlan, position_bias: Any = None) -> torch.Tensor:
        """Attention context [batch, length, heads · head width] of `hidden_states` [batch, length, width]."""
        query, key, value = self.heads(hidden_states, plan)
        if slides(plan):
            plan = plan_of_half_window(plan, self.half_window)
        context = self.attention(query, key, value, plan, self.scale, self.dropout(plan), position_bias)
        return context.transpose(1, 2).reshape(*hidden_states.shape[:2], -1)

    def heads(self, hidden_states: torch.Tensor, plan: AttentionPlan) -> list[torch.Tensor]:
        """Query, key and value [batch, heads, length, head width] of `hidden_states` [batch, length, width]."""
        return [self._heads(part) for part in self.project_in(hidden_states)]

    def project_in(self, hidden_states: torch.Tensor) -> list[torch.Tensor]:
        """Query, key and value [batch, length, heads · head width] of `hidden_states` [batch, length, width]."""
        return [getattr(self, name)(hidden_states) for name in self.projections[:3]]

    def dropout(self, plan: AttentionPlan) -> float:
        """The share of attention weights that are dropped."""
        return self.dropout_probability if self.training else 0.0

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """What a library layer calls, with a `LayerAttention` as attention mask."""
        hidden_states, given = self_attention_inputs(*args, **kwargs)
        context = self.attend(hidden_states, given.plan) if given.context is None else given.context
        return self_attention_values(self.project(context, hidden_states))

    def project(self, context: torch.Tensor, hidden_states: torch.Tensor) -> torch.Tensor:
        """What the library's module makes of the attention context [batch, length, width] of `hidden_states`."""
        for output_projection in self.projections[3:]:
            context = getattr(self, output_projection)(context)
        return context

    def _heads(self, projected: torch.Tensor) -> torch.Tensor:
        return projected.unflatten(-1, (self.num_heads, self.head_width)).transpose(1, 2)


def run_lsg_layer(
    encoder: Any, layer: nn.Module, hidden_states: torch.Tensor, plan: AttentionPlan, attention_norm: str | None
) -> torch.Tensor:
    """Run one library layer with LSG attention on `hidden_states` [batch, G + T, width].

    attention_norm: the submodule of the layer that normalises what attention gets, if there is one.
    """
    if _can_run_in_chunks(layer, hidden_states):
        return _run_in_chunks(encoder, layer, hidden_states, plan, attention_norm)
    return run_layer(encoder, layer, hidden_states, LayerAttention(plan))


def _can_run_in_chunks(layer: nn.Module, hidden_states: torch.Tensor) -> bool:
    """Whether a layer may be called several times: no gradient, dropout or hook notices."""
    if torch.is_grad_enabled() or layer.training or not is_eager_on_cpu(hidden_states.device):
        return False
    if hidden_states.shape[:2].numel() <= TOKENS_AT_ONCE:
        return False
    return not any(map(is_watched, layer.modules()))


def is_watched(module: nn.Module) -> bool:
    """Whether somebody else's code runs when the module does."""
    return bool(module._forward_hooks or module._forward_pre_hooks or hasattr(module, "_hf_hook"))


def _run_in_chunks(
    encoder: Any, layer: nn.Module, hidden_states: torch.Tensor, plan: AttentionPlan, attention_norm: str | None
) -> torch.Tensor:
    """Attention first, for all tokens, then the rest of the layer for some tokens at a time.

    It saves memory and time: the feed-forward part is four times as wide as the rest.
    """
    attention = next(module for module in layer.modules() if isinstance(module, LSGSelfAttention))
    norm = nn.Identity() if attention_norm is None else layer.get_submodule(attention_norm)
    context = attention.attend(norm(hidden_states), plan).flatten(0, 1)
    tokens = hidden_states.flatten(0, 1)
    result = torch.empty_like(tokens)
    for start in range(0, len(tokens), TOKENS_AT_ONCE):
        chunk = slice(start, start + TOKENS_AT_ONCE)
        computed = LayerAttention(plan, context[None, chunk])
        result[chunk] = run_layer(encoder, layer, tokens[None, chunk], computed)[0]
    return result.view_as(hidden_states)
