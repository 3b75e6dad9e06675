"""Layers of a source that see near tokens only, and stay as they are: a token attends to those within a distance.

No global has a place among them, but the one that stands in for the opening token: it takes that token's place. The
other globals attend to one another. Marked tokens are tokens like others here.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .lsg_graph import holds, missing_tokens, pad_rows
from .lsg_rotary import LSGRotarySelfAttention, RotaryPlan
from .lsg_windows import AttentionPlan


class LocalLayersPlan(RotaryPlan):
    """A plan that has plans for local layers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.local_plans: dict[int, AttentionPlan] = {}

    def to(self, device: torch.device | int | str, **kwargs: Any) -> AttentionPlan:
        """The plan for layers on `device`."""
        moved = super().to(device, **kwargs)
        if moved is not self and isinstance(moved, LocalLayersPlan):
            moved.local_plans = {}
        return moved

    def local(self, half_window: int) -> AttentionPlan:
        """The plan for layers whose tokens attend to so many on each side: there are no globals. Made once."""
        if half_window not in self.local_plans:
            self.local_plans[half_window] = self._local(half_window)
        return self.local_plans[half_window]

    def _local(self, half_window: int) -> AttentionPlan:
        options = replace(
            self.options,
            local_attention="sliding",
            attention_window=(2 * half_window,),
            sparsity_type="none",
            num_global_tokens=0,
            mask_first_token=False,
            automatic_globals="none",
        )
        tokens, padding = self.no_padding, missing_tokens(self.num_tokens, self.options.block_size)
        if tokens is None and not holds(padding == 0):
            tokens = torch.ones(self.batch_size, self.num_tokens, dtype=torch.bool, device=self.device)
        if tokens is not None:
            tokens = functional.pad(tokens, (0, padding), value=False)
        return AttentionPlan(options, tokens, self.batch_size, self.num_tokens + padding, self.device)


class LSGLocalOrGlobalSelfAttention(LSGRotarySelfAttention):
    """Self-attention of a layer that sees all tokens, as LSG attention does, or near ones, as its source does.

    local_half_window: how far a token sees in a local layer; None in others.
    """

    local_half_window: int | None = None

    def attend(self, hidden_states: Tensor, plan: AttentionPlan, position_bias: Any = None) -> Tensor:
        """Attention context [batch, length, heads · head width] of `hidden_states` [batch, length, width]."""
        if self.local_half_window is None:
            return super().attend(hidden_states, plan, position_bias)
        assert isinstance(plan, LocalLayersPlan)
        heads, count = self.heads(hidden_states, plan), plan.num_globals
        stands_in = count > 0 and plan.options.mask_first_token
        tokens = [_with_stand_in(part, plan) if stands_in else part[:, :, count:] for part in heads]
        local, length = plan.local(self.local_half_window), hidden_states.shape[1] - count
        missing = local.num_tokens - length
        if not holds(missing == 0):
            tokens = [pad_rows(part, missing) for part in tokens]
        query, key, value = tokens
        context = self.attention(query, key, value, local, self.scale, self.dropout(plan))
        context = (context if holds(missing == 0) else pad_rows(context, -missing)).transpose(1, 2)
        if plan.no_padding is not None:
            context = context.masked_fill(~_sees_any(local, length)[..., None, None], 0.0)
        if count:
            globals_ = context[:, :1]
            if count > 1 or not stands_in or plan.opening_rows is not None:
                query, key, value = (part[:, :, :count] for part in heads)
                globals_ = functional.scaled_dot_product_attention(query, key, value, scale=self.scale).transpose(1, 2)
            if stands_in:
                first = context[:, :1]
                if plan.opening_rows is not None:
                    first = torch.where(plan.opening_rows[:, None, None, None], first, globals_[:, :1])
                globals_ = torch.cat([first, globals_[:, 1:]], dim=1)
            context = torch.cat([globals_, context], dim=1)
        return context.flatten(2)


def _with_stand_in(part: Tensor, plan: AttentionPlan) -> Tensor:
    """[batch, heads, T, width] of tokens, of [globals | tokens]: the first is global 0 where that stands in for it."""
    tokens = part[:, :, plan.num_globals :]
    replaced = (torch.arange(tokens.shape[2], device=part.device) == 0)[:, None]
    if plan.opening_rows is not None:
        replaced = replaced & plan.opening_rows[:, None, None, None]
    return torch.where(replaced, part[:, :, :1], tokens)


def _sees_any(local: AttentionPlan, length: int) -> Tensor:
    """Bool [batch, length]: whether any token that is no padding is near. The library returns zeros where none is."""
    assert local.no_padding is not None and local.half_window is not None
    counts = functional.pad(local.no_padding.long().cumsum(1), (1, 0))
    at = torch.arange(length, device=local.device)
    last = (at + local.half_window + 1).clamp(max=counts.shape[1] - 1)
    return counts[:, last] > counts[:, (at - local.half_window).clamp(min=0)]
