"""LSG for BART and the encoder-decoder models built like it.

Built like BART: an encoder with `layers`, each with its self-attention at `self_attn`; a library decoder that attends
the encoder's output, globals included.
"""

from typing import Any

import torch
from torch.nn import functional
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging

from .lsg_compat import wants_dict
from .lsg_encoder import LSGEncoder, check_length, finish, refuse_head_mask
from .lsg_options import LSGOptions

logger = logging.get_logger(__name__)


class LSGBartStyleEncoder(LSGEncoder):
    """Mixed in before a library encoder built like BART's."""

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self.add_global_embeddings(config.d_model)
        self.passes_globals_to_decoder = self.options.pass_global_tokens_to_decoder
        self.replace_self_attention(
            ((layer, "self_attn") for layer in self.layers),
            projections=("q_proj", "k_proj", "v_proj", "out_proj"),
            num_heads=config.encoder_attention_heads,
            dropout=config.attention_dropout,
        )
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        *,
        inputs_embeds: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """As the library's encoder, for [batch, T] inputs; the globals lead the output if the decoder attends them."""
        if output_attentions:
            logger.warning_once("LSG attention forms no attention matrix: encoder_attentions will be None.")
        refuse_head_mask(kwargs)
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Give exactly one of input_ids and inputs_embeds.")
        if inputs_embeds is None:
            inputs_embeds = self.embed_tokens(input_ids)
        num_tokens = inputs_embeds.shape[1]
        check_length(num_tokens, self.max_source_positions)
        if self.options.attend_masked_runs:
            inputs_embeds = self._pad_with_tokens(inputs_embeds)
        encoded = self.encode(
            self.embed(inputs_embeds), attention_mask, self.layers_to_run(), output_hidden_states, num_tokens
        )
        return finish(self.after_layers(encoded), self.config, return_dict)

    def embed(self, inputs_embeds: torch.Tensor) -> torch.Tensor:
        """[batch, T, width] word embeddings → [batch, G + T, width] for the first layer."""
        # The position module only looks at the shape of what it is given.
        embeddings = self.prepend_globals(inputs_embeds + self.embed_positions(inputs_embeds[:, :, -1]))
        return functional.dropout(self.normalize_embeddings(embeddings), p=self.dropout, training=self.training)

    def _pad_with_tokens(self, inputs_embeds: torch.Tensor) -> torch.Tensor:
        """Pad [batch, T, width] to whole blocks by padding tokens: where masked runs are attended, they matter."""
        shape = (inputs_embeds.shape[0], self.padding(inputs_embeds.shape[1]))
        tokens = torch.full(shape, self.padding_idx, dtype=torch.long, device=inputs_embeds.device)
        return torch.cat([inputs_embeds, self.embed_tokens(tokens)], dim=1)

    def normalize_embeddings(self, embeddings: torch.Tensor) -> torch.Tensor:
        """The layer norm after the embeddings."""
        return self.layernorm_embedding(embeddings)

    def after_layers(self, encoded: BaseModelOutput) -> BaseModelOutput:
        """What the family does to the last layer's output: nothing here."""
        return encoded

    def layers_to_run(self) -> list[torch.nn.Module]:
        """The layers, less those that LayerDrop (arXiv 1909.11556) leaves out while training."""
        if not (self.training and self.layerdrop > 0.0):
            return list(self.layers)
        return [layer for layer in self.layers if torch.rand([]) >= self.layerdrop]


class LSGSeq2SeqModel:
    """Mixed in before a library encoder-decoder model whose encoder is LSG: the cross-attention mask knows the globals."""

    options: LSGOptions

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.Tensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
        *,
        encoder_outputs: Any = None,
        inputs_embeds: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """As the library's model; encoder attentions, which LSG does not have, are None."""
        refuse_head_mask(kwargs)
        if encoder_outputs is None:
            encoder_outputs = self.encoder(
                input_ids=input_ids,
                attention_mask=attention_mask,
                inputs_embeds=inputs_embeds,
                output_attentions=output_attentions,
                output_hidden_states=output_hidden_states,
                return_dict=True,
            )
        if not wants_dict(self.config, return_dict) and isinstance(encoder_outputs, BaseModelOutput):
            encoder_outputs = encoder_outputs.to_tuple()
        return super().forward(
            input_ids=input_ids,
            attention_mask=cross_attention_mask(attention_mask, encoder_outputs[0], self.options),
            decoder_input_ids=decoder_input_ids,
            decoder_attention_mask=decoder_attention_mask,
            encoder_outputs=encoder_outputs,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=return_dict,
            **kwargs,
        )


class LSGBartStyleModel(LSGSeq2SeqModel):
    """Mixed in before a library model built like BART's: its encoder becomes `lsg_encoder`, the decoder stays."""

    lsg_encoder: type

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.options = LSGOptions.from_config(config)
        self.encoder = self.lsg_encoder(config)
        self.encoder.embed_tokens = self.shared
        self.post_init()


def cross_attention_mask(
    attention_mask: torch.Tensor | None, encoder_states: torch.Tensor, options: LSGOptions
) -> torch.Tensor | None:
    """The mask [batch, length] over `encoder_states` [batch, length, width] that the decoder attends.

    `attention_mask` [batch, T] is the caller's and is not changed; a mask that already has the states' length (the
    caller extended it) is only relieved of the first token.
    """
    num_globals = options.num_global_tokens if options.pass_global_tokens_to_decoder else 0
    batch_size, length = encoder_states.shape[:2]
    if attention_mask is None:
        if not options.mask_first_token:
            return None
        attention_mask = torch.ones(batch_size, length, dtype=torch.long, device=encoder_states.device)
    attention_mask = attention_mask.to(encoder_states.device)
    leading = attention_mask[:, :num_globals]
    tokens = attention_mask[:, num_globals:]
    if attention_mask.shape[1] == length - num_globals:
        leading, tokens = attention_mask.new_ones(batch_size, num_globals), attention_mask
    if options.mask_first_token:
        tokens = torch.cat([torch.zeros_like(tokens[:, :1]), tokens[:, 1:]], dim=1)
    return torch.cat([leading, tokens], dim=1)
