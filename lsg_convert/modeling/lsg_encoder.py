"""What turns a library encoder into an LSG encoder: the one place that knows globals, padding and masks.

The sequence that the layers see is [globals | tokens | padding up to whole blocks]; what leaves the encoder is
[tokens], or [globals | tokens] for a decoder that attends the globals. See Condevaux & Harispe, arXiv 2210.15497.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging

from .lsg_attention import KeyMask, lsg_attention
from .lsg_compat import as_tuple, run_layer, self_attention_inputs, self_attention_values, wants_dict
from .lsg_eager import is_eager_on_cpu
from .lsg_linear import WithOneDNNLinears
from .lsg_options import MAX_GLOBAL_TOKENS, LSGOptions

logger = logging.get_logger(__name__)

TOKENS_AT_ONCE = 512  # that a layer's feed-forward part gets on a CPU


class Attended(NamedTuple):
    """What a layer gets in place of a `KeyMask` when attention is done: the context [1, n, width] of its tokens."""

    context: torch.Tensor


class LSGSelfAttention(nn.Module):
    """A library layer's self-attention with LSG attention in it: same projections, same parameter names.

    Args:
        source: the library's module, whose projections are taken over.
        projections: names of its query, key and value projections, then of its output projection if it has one.
        options: the LSG options.
        num_heads: number of attention heads.
        scale: factor on query-key products; 1/√(head width) unless given.
        dropout: attention dropout probability while training.
    """

    def __init__(
        self,
        source: nn.Module,
        projections: tuple[str, ...],
        options: LSGOptions,
        num_heads: int,
        dropout: float,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        self.projections = projections
        for name in projections:
            self.add_module(name, getattr(source, name))
        self.options = options
        self.num_heads = num_heads
        self.head_width = getattr(source, projections[0]).out_features // num_heads
        self.scale = self.head_width**-0.5 if scale is None else scale
        self.dropout_probability = dropout
        # An attribute and not a call of the module's function, so that a check can put another implementation here.
        self.attention = lsg_attention

    def attend(self, hidden_states: torch.Tensor, key_mask: KeyMask, position_bias: Any = None) -> torch.Tensor:
        """Attention context [batch, length, heads · head width] of `hidden_states` [batch, length, width]."""
        query, key, value = (self._heads(getattr(self, name)(hidden_states)) for name in self.projections[:3])
        dropout = self.dropout_probability if self.training else 0.0
        context = self.attention(query, key, value, key_mask, self.options, self.scale, dropout, position_bias)
        return context.transpose(1, 2).reshape(*hidden_states.shape[:2], -1)

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """What a library layer calls, with what `LSGEncoder.run_layer` hands it as attention mask."""
        hidden_states, given = self_attention_inputs(*args, **kwargs)
        context = given.context if isinstance(given, Attended) else self.attend(hidden_states, given)
        return self_attention_values(self.project(context, hidden_states))

    def project(self, context: torch.Tensor, hidden_states: torch.Tensor) -> torch.Tensor:
        """What the library's module makes of the attention context [batch, length, width] of `hidden_states`."""
        for output_projection in self.projections[3:]:
            context = getattr(self, output_projection)(context)
        return context

    def _heads(self, projected: torch.Tensor) -> torch.Tensor:
        return projected.unflatten(-1, (self.num_heads, self.head_width)).transpose(1, 2)


class LSGEncoder(WithOneDNNLinears):
    """Mixed in before a library encoder: globals in front, LSG attention in the layers, outputs trimmed.

    A family calls `add_global_embeddings` and `replace_self_attention` when it is built, and in its `forward` sums its
    embeddings, calls `prepend_globals`, then `encode`.
    """

    config: Any
    training: bool
    options: LSGOptions
    global_embeddings_holder = ""  # the submodule that holds `global_embeddings`; the encoder itself unless named
    self_attention: type[LSGSelfAttention] = LSGSelfAttention
    attention_norm: str | None = None  # the submodule of a layer that normalises what attention gets, if there is one
    final_norm: str | None = None  # the submodule that normalises what the last layer returns, if there is one
    passes_globals_to_decoder = False
    supports_gradient_checkpointing = True  # `run_layer` does it, for layers of the library that do not too

    def add_global_embeddings(self, width: int) -> None:
        """Register `global_embeddings` (512 rows of `width`) and read the options of the configuration."""
        self.options = LSGOptions.from_config(self.config)
        self.gradient_checkpointing = False
        self.get_submodule(self.global_embeddings_holder).global_embeddings = nn.Embedding(MAX_GLOBAL_TOKENS, width)

    def replace_self_attention(
        self,
        owners: Iterable[tuple[nn.Module, str]],
        projections: tuple[str, ...],
        num_heads: int,
        dropout: float,
        scale: float | None = None,
    ) -> None:
        """Put `LSGSelfAttention` in place of the self-attention that each owner holds under the given name."""
        self.options.validate(num_heads)
        for owner, name in owners:
            source = getattr(owner, name)
            setattr(owner, name, self.self_attention(source, projections, self.options, num_heads, dropout, scale))
        for module in self.modules():
            if hasattr(module, "chunk_size_feed_forward"):
                # Of chunks the library wants a whole number, which globals and padding upset.
                module.chunk_size_feed_forward = 0

    def prepend_globals(self, embeddings: torch.Tensor) -> torch.Tensor:
        """[batch, T, width] summed token embeddings → [batch, G + T, width]."""
        holder = self.get_submodule(self.global_embeddings_holder)
        rows = holder.global_embeddings.weight[: self.options.num_global_tokens]
        rows = rows.to(embeddings.dtype).expand(embeddings.shape[0], -1, -1)
        return torch.cat([rows, embeddings], dim=1)

    def encode(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        layers: Iterable[nn.Module],
        output_hidden_states: bool | None,
        num_tokens: int | None = None,
    ) -> BaseModelOutput:
        """Run `layers` over `hidden_states` [batch, G + T, width] and trim what comes out.

        Args:
            attention_mask: [batch, T], non-zero where a token may be attended, or None.
            num_tokens: T, where `hidden_states` has padding behind the tokens already.

        Raises:
            ValueError: the mask is not [batch, T], or T is not a whole number of blocks and `adaptive` is off.
        """
        length = hidden_states.shape[1] - self.options.num_global_tokens
        num_tokens = length if num_tokens is None else num_tokens
        tokens = self._token_mask(attention_mask, hidden_states.shape[0], num_tokens)
        padding = self.padding(num_tokens)
        if padding:
            hidden_states = functional.pad(hidden_states, (0, 0, 0, num_tokens + padding - length))
            if tokens is None:
                tokens = torch.ones(hidden_states.shape[0], num_tokens, dtype=torch.bool, device=hidden_states.device)
            tokens = functional.pad(tokens, (0, padding), value=False)
        key_mask = KeyMask(
            tokens,
            batch_size=hidden_states.shape[0],
            num_tokens=num_tokens + padding,
            num_global_tokens=self.options.num_global_tokens,
            mask_first_token=self.options.mask_first_token,
            device=hidden_states.device,
        )
        if output_hidden_states is None:
            output_hidden_states = getattr(self.config, "output_hidden_states", False)
        every_state = [self._trim(hidden_states, num_tokens)] if output_hidden_states else None
        for layer in layers:
            hidden_states = self.run_layer(layer, hidden_states, key_mask)
            if every_state is not None:
                every_state.append(self._trim(hidden_states, num_tokens))
        hidden_states = self._trim(hidden_states, num_tokens)
        if self.final_norm is not None:
            hidden_states = self.get_submodule(self.final_norm)(hidden_states)
        if every_state is not None:
            every_state[-1] = hidden_states
        return BaseModelOutput(
            last_hidden_state=hidden_states, hidden_states=None if every_state is None else tuple(every_state)
        )

    def run_layer(self, layer: nn.Module, hidden_states: torch.Tensor, key_mask: KeyMask) -> torch.Tensor:
        """Run one layer on `hidden_states` [batch, G + T, width].

        Where it saves memory and time, attention comes first, for all tokens, and the rest of the layer after it for
        some tokens at a time: the feed-forward part is four times as wide as the rest.
        """
        if not _runs_in_parts(layer, hidden_states):
            return run_layer(self, layer, hidden_states, key_mask)
        attention = next(module for module in layer.modules() if isinstance(module, LSGSelfAttention))
        norm = nn.Identity() if self.attention_norm is None else layer.get_submodule(self.attention_norm)
        context = attention.attend(norm(hidden_states), key_mask).flatten(0, 1)
        tokens = hidden_states.flatten(0, 1)
        result = torch.empty_like(tokens)
        for start in range(0, len(tokens), TOKENS_AT_ONCE):
            some = slice(start, start + TOKENS_AT_ONCE)
            result[some] = run_layer(self, layer, tokens[None, some], Attended(context[None, some]))[0]
        return result.view_as(hidden_states)

    def _token_mask(self, attention_mask: torch.Tensor | None, batch_size: int, num_tokens: int) -> torch.Tensor | None:
        if attention_mask is None:
            return None
        if attention_mask.shape != (batch_size, num_tokens):
            raise ValueError(
                f"attention_mask has shape {tuple(attention_mask.shape)}; LSG attention takes [batch, tokens], "
                f"here {(batch_size, num_tokens)}."
            )
        tokens = attention_mask.bool()
        # A mask that masks nothing costs time in every layer. Asking is free on a CPU; elsewhere it waits.
        return None if is_eager_on_cpu(tokens.device) and bool(tokens.all()) else tokens

    def padding(self, num_tokens: int) -> int:
        """How many tokens are missing to whole blocks; none are below the dense limit.

        Raises:
            ValueError: some are, and `adaptive` is off.
        """
        block_size = self.options.block_size
        if num_tokens <= 2 * block_size or num_tokens % block_size == 0:
            return 0
        if not self.options.adaptive:
            raise ValueError(
                f"{num_tokens} tokens are not a multiple of block_size={block_size}; pad the input to one, "
                "or load the model with adaptive=True."
            )
        return -num_tokens % block_size

    def _trim(self, hidden_states: torch.Tensor, num_tokens: int) -> torch.Tensor:
        """[batch, G + T + padding, width] → [batch, T, width], or [batch, G + T, width] for the decoder.

        Global 0 takes the place of token 0 only where the globals themselves are dropped.
        """
        num_globals = self.options.num_global_tokens
        hidden_states = hidden_states[:, : num_globals + num_tokens]
        if self.passes_globals_to_decoder:
            return hidden_states
        tokens = hidden_states[:, num_globals:]
        if not (self.options.pool_with_global and num_globals):
            return tokens
        return torch.cat([hidden_states[:, :1], tokens[:, 1:]], dim=1)


def _runs_in_parts(layer: nn.Module, hidden_states: torch.Tensor) -> bool:
    """Whether a layer may be called several times: no gradient, dropout or hook notices."""
    if torch.is_grad_enabled() or layer.training or not is_eager_on_cpu(hidden_states.device):
        return False
    if hidden_states.shape[:2].numel() <= TOKENS_AT_ONCE:
        return False
    return not any(
        module._forward_hooks or module._forward_pre_hooks or hasattr(module, "_hf_hook") for module in layer.modules()
    )


def check_length(num_tokens: int, max_tokens: int) -> None:
    """Say that an input is too long before an index error does.

    Raises:
        ValueError: there are more tokens than positions.
    """
    if num_tokens > max_tokens:
        raise ValueError(
            f"{num_tokens} tokens, but this model has positions for {max_tokens}: truncate the input "
            "(tokenizer(..., truncation=True)), or convert again with a larger --max-len."
        )


def the_given(input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor | None) -> torch.Tensor:
    """Whichever of the two is given.

    Raises:
        ValueError: both are, or none.
    """
    given = input_ids if inputs_embeds is None else inputs_embeds
    if given is None or (input_ids is not None and inputs_embeds is not None):
        raise ValueError("Give exactly one of input_ids and inputs_embeds.")
    return given


def refuse_attentions(output_attentions: bool | None, config: Any) -> None:
    """Say what cannot be returned.

    Raises:
        ValueError: attention weights were asked for.
    """
    if output_attentions or (output_attentions is None and getattr(config, "output_attentions", False)):
        raise ValueError(
            "output_attentions=True: LSG attention never forms the attention matrix, so there is nothing to return. "
            "Load the source model where you need them."
        )


def refuse_head_mask(arguments: dict[str, Any]) -> None:
    """Say what is not supported (4.x has it, 5.x removed it).

    Raises:
        ValueError: a head mask was given.
    """
    if arguments.get("head_mask") is not None:
        raise ValueError("head_mask is given, but LSG attention does not mask heads: leave it out.")


def finish(output: BaseModelOutput, config: Any, return_dict: bool | None) -> Any:
    """`output` as the caller asked for it: a `ModelOutput` or a tuple."""
    return output if wants_dict(config, return_dict) else as_tuple(output)
