"""BigBird's attention (arXiv 2007.14062): the first and the last block are global, and the first one counts more.

The library's random blocks are all block 0 in evaluation. So tokens between the ends attend to block 0 ``1 + r`` times,
r being `num_random_blocks`: log(1 + r) is added to the scores of its keys. Here that is so in training too.
"""

import math
from typing import Any

import torch
from torch import Tensor

from .lsg_eager import is_eager_on_cpu
from .lsg_graph import holds
from .lsg_self_attention import LSGSelfAttention
from .lsg_windows import AttentionPlan


class EndBlocksPlan(AttentionPlan):
    """Above the dense limit, a plan of [globals | first block | last block | the blocks between].

    Both ends are globals like any others then, so that no backend knows of them.

    Attributes:
        num_ends: tokens of each end; 0 up to the dense limit.
        is_padding: bool [B, G + T], as the layers see it; None where no token is padding, and up to the dense limit.
    """

    num_ends = 0
    is_padding: Tensor | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        options, tokens, num_tokens = self.options, self.no_padding, self.num_tokens
        limit = options.dense_limit
        if options.has_global_ends and not (holds(num_tokens <= limit) or holds(num_tokens > limit)):
            raise ValueError(
                f"BigBird attends fully up to {limit} tokens and in blocks beyond, which no graph for all lengths can: "
                f"make it for lengths on one side of {limit}, or load the model with automatic_globals='none'."
            )
        self.num_arranged = num_tokens
        if self.is_dense or not options.has_global_ends:
            return
        self.num_ends = options.block_size
        self.num_globals += 2 * self.num_ends
        self.num_tokens -= 2 * self.num_ends
        if tokens is not None:
            globals_ = tokens.new_zeros(len(tokens), options.num_global_tokens)
            self.is_padding = self.arrange(torch.cat([globals_, ~tokens], dim=1))
        if self.keep is not None:
            self.keep = self.arrange(self.keep)
            self.keeps_globals = is_eager_on_cpu(self.device) and bool(self.keep[:, : self.num_globals].all())
        self.global_bias = torch.zeros(options.num_global_tokens + self.num_ends, device=self.device)
        self.global_bias[options.num_global_tokens :] = math.log(1 + options.num_random_blocks)
        self.make_windows()

    @property
    def is_dense(self) -> bool:
        """Whether every query attends to every key."""
        return not self.num_ends and super().is_dense

    def arrange(self, sequence: Tensor) -> Tensor:
        """[B, n + T, ...] as the layers see it: the last block behind the first one."""
        if not self.num_ends:
            return sequence
        before, between = sequence.split([self._up_to_first(sequence), self.num_arranged - self.num_ends], dim=1)
        return torch.cat([before, between[:, -self.num_ends :], between[:, : -self.num_ends]], dim=1)

    def restore(self, sequence: Tensor) -> Tensor:
        """The opposite of `arrange`."""
        if not self.num_ends:
            return sequence
        before, behind = sequence.split([self._up_to_first(sequence), self.num_arranged - self.num_ends], dim=1)
        return torch.cat([before, behind[:, self.num_ends :], behind[:, : self.num_ends]], dim=1)

    def _up_to_first(self, sequence: Tensor) -> int:
        return sequence.shape[1] - self.num_arranged + self.num_ends


class LSGEndBlocksSelfAttention(LSGSelfAttention):
    """Self-attention as in BigBird: in blocks it drops no attention weights, and makes nothing of padding."""

    takes_whole_blocks = True

    def attend(self, hidden_states: Tensor, plan: AttentionPlan, position_bias: Any = None) -> Tensor:
        """Attention context [batch, length, heads · head width] of `hidden_states` [batch, length, width]."""
        context = super().attend(hidden_states, plan, position_bias)
        padding = getattr(plan, "is_padding", None)
        return context if padding is None else context.masked_fill(padding[..., None], 0.0)

    def dropout(self, plan: AttentionPlan) -> float:
        """The share of attention weights that are dropped."""
        return super().dropout(plan) if plan.is_dense or not plan.options.has_global_ends else 0.0


class EndBlocksEncoder:
    """Mixed in before a library encoder that has BigBird's attention."""

    config: Any
    self_attention = LSGEndBlocksSelfAttention
    attention_plan = EndBlocksPlan

    def decodes(self) -> bool:
        """Whether the model is to be the library's own, dense and causal."""
        return bool(getattr(self.config, "is_decoder", False))

    def attend_fully(self) -> None:
        """Let the library's layers have full attention: only then they hand on the attention mask, which LSG needs."""
        parent: Any = super()
        parent.set_attention_type("original_full")

    def set_attention_type(self, value: str) -> None:
        """The library's, of a decoder.

        Raises:
            ValueError: it is an encoder, which would be left without LSG attention.
        """
        if not self.decodes():
            raise ValueError(
                f"set_attention_type({value!r}): here each input's length decides. For another attention load the "
                'model with other options, such as automatic_globals="none".'
            )
        parent: Any = super()
        parent.set_attention_type(value)
