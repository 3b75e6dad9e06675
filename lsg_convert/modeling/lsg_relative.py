"""Attention whose scores get a bias by distance (T5, arXiv 1910.10683, and models built like it).

Keys and sparse tokens have positions. Globals have none: one learned number a head, which starts at 0, is the bias
towards all of them. Only a global that stands in for the opening token has that token's position.
"""

import math
from typing import Any

import torch
from torch import nn

from .lsg_bias import PositionBias
from .lsg_self_attention import LSGSelfAttention
from .lsg_windows import AttentionPlan


class GlobalBias(nn.Module):
    """The bias towards globals, [heads]; 0 until it is trained."""

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(num_heads))

    def forward(self) -> torch.Tensor:
        """The bias of every head; asked for by a call, as a weight that is elsewhere is fetched for that only."""
        return self.weight


class LSGRelativeSelfAttention(LSGSelfAttention):
    """LSG self-attention with a bias by distance; `use_bias` says which."""

    reads_positions = True

    def use_bias(
        self, by_bucket: nn.Embedding, towards_globals: GlobalBias, num_buckets: int, max_distance: int
    ) -> None:
        """Take the bias from modules that belong to someone else: layers share them.

        Args:
            by_bucket: [buckets, heads].
            towards_globals: the bias towards globals.
            num_buckets: half of them look back, half ahead.
            max_distance: from here on, all distances share one bucket.
        """
        # In a tuple, so that the modules are not registered here, under a second name.
        self._bias = (by_bucket, towards_globals, num_buckets, max_distance)

    def attend(self, hidden_states: torch.Tensor, plan: AttentionPlan, position_bias: Any = None) -> torch.Tensor:
        """Attention context [batch, length, heads · head width] of `hidden_states` [batch, length, width]."""
        return super().attend(hidden_states, plan, self._position_bias(hidden_states, plan))

    def _position_bias(self, hidden_states: torch.Tensor, plan: AttentionPlan) -> PositionBias:
        by_bucket, towards_globals, num_buckets, max_distance = self._bias
        if hasattr(by_bucket.weight, "placements"):  # FSDP2: it is whole only while the first layer runs, which has it
            return _shared_bias(plan, by_bucket.weight)

        def relative(distance: torch.Tensor) -> torch.Tensor:
            bucket = distance_bucket(distance, num_buckets, max_distance)
            if not by_bucket.weight.is_meta:  # as it is while it lies on disk: then it comes to where the buckets are
                bucket = bucket.to(by_bucket.weight.device)
            return by_bucket(bucket).to(distance.device)

        # Anew in every layer: cheap (2 T distances), and a checkpointed layer can be run again on its own.
        towards = towards_globals().to(hidden_states.device)
        plan.position_bias = PositionBias(relative, towards, plan.options.global_has_position)
        return plan.position_bias


def _shared_bias(plan: AttentionPlan, weight: torch.Tensor) -> PositionBias:
    """The bias of the layer before.

    Raises:
        RuntimeError: it would get no gradient.
    """
    bias: PositionBias = plan.position_bias
    if torch.is_grad_enabled() and weight.requires_grad and not bias.by_distance(plan.num_tokens).requires_grad:
        raise RuntimeError(
            "A reentrant checkpoint of sharded weights would train the bias by distance in one layer only: "
            "gradient_checkpointing_enable(gradient_checkpointing_kwargs={'use_reentrant': False})."
        )
    return bias


def distance_bucket(distance: torch.Tensor, num_buckets: int, max_distance: int) -> torch.Tensor:
    """The bucket of each distance (key position minus query position), long, any shape.

    Half of the buckets are for keys ahead. Of each half, the first half hold one distance each; the others hold spans
    that grow logarithmically up to `max_distance`, and the last one everything beyond.
    """
    per_side = num_buckets // 2
    exact = per_side // 2
    far = distance.abs()
    # In this order, as trained models had it: another one rounds some distances into the next bucket.
    growth = torch.log(far.clamp(min=exact).float() / exact) / math.log(max_distance / exact) * (per_side - exact)
    bucket = torch.where(far < exact, far, (exact + growth.long()).clamp(max=per_side - 1))
    return bucket + per_side * (distance > 0)
