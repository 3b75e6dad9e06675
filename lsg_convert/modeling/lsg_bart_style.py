"""LSG for BART and the encoder-decoder models built like it.

Built like BART: an encoder with `layers`, each with its self-attention at `self_attn`; a library decoder that attends
to the encoder's output, globals included.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import functional

from .lsg_inputs import check_length
from .lsg_options import LSGOptions
from .lsg_seq2seq import LSGSeq2SeqEncoder, LSGSeq2SeqModel


class LSGBartStyleEncoder(LSGSeq2SeqEncoder):
    """Mixed in before a library encoder built like BART's."""

    embedding_norm: str | None = "layernorm_embedding"  # the submodule that normalises embeddings, if there is one
    attention_projections: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "out_proj")
    positions_take_shape = False  # whether the position module is called with a shape instead of a tensor of that shape

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self.add_global_embeddings(config.d_model)
        self.passes_globals_to_decoder = self.options.pass_global_tokens_to_decoder
        self.replace_self_attention(
            self.attention_owners(),
            self.attention_projections,
            num_heads=config.encoder_attention_heads,
            dropout=config.attention_dropout,
        )
        self.post_init()

    def attention_owners(self) -> Iterable[tuple[torch.nn.Module, str]]:
        """What holds each layer's self-attention, and under which name."""
        return ((layer, "self_attn") for layer in self.layers)

    def embed_words(self, input_ids: torch.Tensor) -> torch.Tensor:
        """[batch, T] → word embeddings [batch, T, width]; they are scaled here where the embedding module does not."""
        return self.embed_tokens(input_ids) * getattr(self, "embed_scale", 1.0)

    def embed(self, inputs_embeds: torch.Tensor, input_ids: torch.Tensor | None) -> torch.Tensor:
        """[batch, T, width] word embeddings → [batch, G + T, width] for the first layer, or padded already."""
        check_length(inputs_embeds.shape[1], self.max_source_positions)
        if self.options.attend_masked_runs:
            inputs_embeds = self._pad_with_tokens(inputs_embeds)
        tokens = inputs_embeds + self.token_positions(inputs_embeds, input_ids)
        embeddings = self.prepend_globals(tokens, self.embed_globals(tokens.device))
        if self.embedding_norm is not None:
            embeddings = self.get_submodule(self.embedding_norm)(embeddings)
        return functional.dropout(embeddings, p=self.dropout, training=self.training)

    def token_positions(self, inputs_embeds: torch.Tensor, input_ids: torch.Tensor | None) -> torch.Tensor:
        """Position embeddings, broadcastable to `inputs_embeds`; of `input_ids`, if known, where it depends on them."""
        return self.embed_positions(inputs_embeds.shape[:2] if self.positions_take_shape else inputs_embeds[:, :, -1])

    def _pad_with_tokens(self, inputs_embeds: torch.Tensor) -> torch.Tensor:
        """Pad [batch, T, width] to whole blocks by padding tokens: they matter where masked segments are kept."""
        shape = (inputs_embeds.shape[0], self.padding(inputs_embeds.shape[1]))
        tokens = torch.full(shape, self.padding_idx, dtype=torch.long, device=inputs_embeds.device)
        return torch.cat([inputs_embeds, self.embed_words(tokens)], dim=1)

    def layers_to_run(self) -> list[torch.nn.Module]:
        """The layers, less those that LayerDrop (arXiv 1909.11556) leaves out while training."""
        if not (self.training and self.layerdrop > 0.0):
            return list(self.layers)
        return [layer for layer in self.layers if torch.rand([]) >= self.layerdrop]


class LSGBartStyleModel(LSGSeq2SeqModel):
    """Mixed in before a library model built like BART's: its encoder becomes `lsg_encoder`, the decoder stays."""

    lsg_encoder: type
    encoder: Any

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.options = LSGOptions.from_config(config)
        words = self.encoder.embed_tokens
        self.encoder = self.lsg_encoder(config)
        self.encoder.embed_tokens = words
        self.post_init()
