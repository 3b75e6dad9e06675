"""LSG for BERT and the models built like it.

Built like BERT: one module sums word, position and type embeddings and normalises the sum; the layers lie in
`encoder.layer`, each with its self-attention at `attention.self`.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import (
    BaseModelOutput,
    BaseModelOutputWithPastAndCrossAttentions,
    BaseModelOutputWithPoolingAndCrossAttentions,
)
from transformers.utils import logging

from .lsg_automatic_globals import with_automatic_globals
from .lsg_encoder import LSGEncoder, LSGEncoderOutput, format_output
from .lsg_inputs import check_length, refuse_attentions, refuse_head_mask, require_one_input
from .lsg_marked import marked_tokens, merge_masks
from .lsg_opening import opening_rows

logger = logging.get_logger(__name__)


class LSGBertStyleModel(LSGEncoder):
    """Mixed in before a library model built like BERT.

    With `is_decoder=True` the model is the library's own: LSG looks both ways, a decoder must not. It then attends
    densely and causally, without globals, over the extended positions.
    """

    global_embeddings_holder = "embeddings"
    embedding_norm: str | None = "embeddings.LayerNorm"  # the submodule that normalises embeddings, if there is one
    embedding_dropout = "embeddings.dropout"
    attention_projections: tuple[str, ...] = ("query", "key", "value")  # and the output's, where it lies beside them
    further_embedding_inputs: tuple[str, ...] = ()  # what the embeddings take beside the usual arguments
    further_layer_inputs: tuple[str, ...] = ()  # what `encoder_layers` takes
    can_decode = True  # whether the library's model knows is_decoder
    has_token_types = True  # else token_type_ids are ignored

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self.add_global_embeddings(self.get_input_embeddings().embedding_dim)
        if self.decodes():
            logger.warning_once(
                f"{type(self).__name__} with is_decoder=True: attention is dense and causal, as in the library's; "
                "LSG attention and its global tokens serve the bidirectional encoder (is_decoder=False)."
            )
        else:
            self.make_layers_lsg()
        self.post_init()

    def decodes(self) -> bool:
        """Whether the model is to be the library's own, dense and causal."""
        return self.can_decode and self.config.is_decoder

    def make_layers_lsg(self) -> None:
        """Replace the self-attention of every layer."""
        self.replace_self_attention(
            self.attention_owners(),
            self.attention_projections,
            num_heads=self.config.num_attention_heads,
            dropout=self.config.attention_probs_dropout_prob,
        )

    def attention_owners(self) -> Iterable[tuple[nn.Module, str]]:
        """What holds each layer's self-attention, and under which name."""
        return ((layer.attention, "self") for layer in self.encoder.layer)

    def encoder_layers(self) -> Iterable[nn.Module]:
        """The layers, in the order they run."""
        return self.encoder.layer

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        *,
        global_attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """As the library's model, for [batch, T] inputs; with LSG attention.

        global_attention_mask: [batch, T], 1 at tokens that attend to all and to which all attend, else 0.
        """
        attention_mask = merge_masks(global_attention_mask, attention_mask, input_ids, inputs_embeds)
        embedding_inputs = {
            "input_ids": input_ids,
            "token_type_ids": token_type_ids,
            "position_ids": position_ids,
            "inputs_embeds": inputs_embeds,
            **{name: kwargs.pop(name, None) for name in self.further_embedding_inputs},
        }
        if not self.has_token_types:
            # The library's models ignore them too, from 5.0 on: some tokenizers return them unasked.
            del embedding_inputs["token_type_ids"]
        if self.decodes():
            if marked_tokens(attention_mask) is not None:
                raise ValueError("global_attention_mask: a decoder looks back only, no token is global; leave it out.")
            return super().forward(
                attention_mask=attention_mask,
                output_attentions=output_attentions,
                output_hidden_states=output_hidden_states,
                return_dict=return_dict,
                **embedding_inputs,
                **kwargs,
            )
        refuse_attentions(output_attentions, self.config)
        refuse_head_mask(kwargs)
        layers = self.encoder_layers(**{name: kwargs.get(name) for name in self.further_layer_inputs})
        num_tokens = require_one_input(input_ids, inputs_embeds).shape[1]
        attention_mask = with_automatic_globals(self.options, attention_mask, input_ids, inputs_embeds)
        if position_ids is None:
            check_length(num_tokens, self.max_tokens())
        others = ((embedding_inputs.get("token_type_ids"), 0), (position_ids, self.first_position()))
        opening = opening_rows(self.options, attention_mask, input_ids, *others)
        embeddings = self.embed(**embedding_inputs)
        further = (output_hidden_states, num_tokens, opening, position_ids)
        encoded = self.encode(embeddings, attention_mask, layers, *further)
        return format_output(self.pool(encoded), self.config, return_dict)

    def embed(self, **embedding_inputs: torch.Tensor | None) -> torch.Tensor:
        """What the first layer gets, [batch, G + T, width] or padded already."""
        return self.with_globals(self.embeddings(**embedding_inputs))

    def with_globals(self, embeddings: torch.Tensor) -> torch.Tensor:
        """[batch, T, width] finished embeddings of tokens → [batch, G + T, width].

        The library's module normalises every token on its own, so that globals can be normalised here.
        """
        globals_ = self.embed_globals(embeddings.device)
        if self.embedding_norm is not None:
            globals_ = self.get_submodule(self.embedding_norm)(globals_)
        globals_ = globals_.expand(embeddings.shape[0], -1, -1)
        return self.prepend_globals(embeddings, self.get_submodule(self.embedding_dropout)(globals_))

    def pool(self, encoded: LSGEncoderOutput) -> BaseModelOutput:
        """Add the pooler's output, in models that can have a pooler; and a cache, empty, for which LM heads ask."""
        if self.passes_globals_to_decoder:
            return encoded  # for the decoder of a pair, which has no use for either
        outputs = {"last_hidden_state": encoded.last_hidden_state, "hidden_states": encoded.hidden_states}
        if not hasattr(self, "pooler"):
            return BaseModelOutputWithPastAndCrossAttentions(**outputs)
        pooled = None if self.pooler is None else self.run_pooler(encoded.last_hidden_state)
        return BaseModelOutputWithPoolingAndCrossAttentions(**outputs, pooler_output=pooled)

    def run_pooler(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """[batch, T, width] → [batch, width]."""
        return self.pooler(hidden_states)

    def max_tokens(self) -> int:
        """Tokens that the position table has rows for; families with a padding row count from the row after it."""
        return self.embeddings.position_embeddings.num_embeddings - self.first_position()

    def first_position(self) -> int:
        """The row of the position table that token 0 has."""
        padding_row = self.embeddings.position_embeddings.padding_idx
        return 0 if padding_row is None else padding_row + 1
