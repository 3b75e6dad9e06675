"""LSG for T5 and the models built like it.

Built like T5: an encoder of `block`s, each with its self-attention at `layer[0].SelfAttention` and no positions but the
bias of its scores; the same class with a causal mask is the decoder, which stays the library's.
"""

import copy
from typing import Any

import torch

from .lsg_encoder import LSGEncoderOutput
from .lsg_heads import TakesGlobalMask
from .lsg_options import LSGOptions
from .lsg_relative import GlobalBias, LSGRelativeSelfAttention
from .lsg_seq2seq import LSGSeq2SeqEncoder, LSGSeq2SeqModel


class LSGT5StyleConfig:
    """Mixed in before a library configuration built like T5's."""

    def get_text_config(self, *args: Any, **kwargs: Any) -> Any:
        """As the library's, but the decoder's configuration has the decoder's layers.

        Some releases since 4.57 size the cache for generation by it, and forget that these models call them otherwise.
        """
        config = super().get_text_config(*args, **kwargs)
        if (args[0] if args else kwargs.get("decoder")) and config.num_layers != config.num_decoder_layers:
            config = copy.copy(config)
            config.num_layers = config.num_decoder_layers
        return config


class LSGBiasOwningSelfAttention(LSGRelativeSelfAttention):
    """Self-attention that keeps the table of biases where the library's module had one."""

    def __init__(self, source: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
        super().__init__(source, *args, **kwargs)
        if hasattr(source, "relative_attention_bias"):
            self.relative_attention_bias = source.relative_attention_bias


class LSGT5SelfAttention(LSGBiasOwningSelfAttention):
    """For layers that pass the bias on, as T5's: they unpack it beside the output, on every release."""

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """What a library layer calls."""
        return (super().forward(*args, **kwargs)[0], None, None)


class LSGT5StyleEncoder(LSGSeq2SeqEncoder):
    """Mixed in before a library encoder built like T5's."""

    self_attention: type[LSGBiasOwningSelfAttention] = LSGT5SelfAttention
    attention_norm = "layer.0.layer_norm"
    final_norm = "final_layer_norm"

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self.add_global_embeddings(config.d_model)
        self.global_bias = GlobalBias(config.num_heads)
        attentions = [block.layer[0] for block in self.block]
        self.replace_self_attention(
            ((attention, "SelfAttention") for attention in attentions),
            projections=("q", "k", "v", "o"),
            num_heads=config.num_heads,
            dropout=config.dropout_rate,
            scale=1.0,  # T5 folds the scale into its weights
        )
        table = None
        for attention in attentions:
            # A layer without a table of its own uses that of the layer before.
            table = getattr(attention.SelfAttention, "relative_attention_bias", table)
            attention.SelfAttention.use_bias(
                table,
                self.global_bias,
                config.relative_attention_num_buckets,
                config.relative_attention_max_distance,
            )
        self.post_init()

    def embed_words(self, input_ids: torch.Tensor) -> torch.Tensor:
        """[batch, T] → word embeddings [batch, T, width]."""
        return self.embed_tokens(input_ids)

    def embed(self, inputs_embeds: torch.Tensor, input_ids: torch.Tensor | None) -> torch.Tensor:
        """[batch, T, width] word embeddings → [batch, G + T, width] for the first layer."""
        return self.dropout(self.prepend_globals(inputs_embeds, self.embed_globals(inputs_embeds.device)))

    def encode(self, *args: Any, **kwargs: Any) -> LSGEncoderOutput:
        """Run the layers, and drop out what they return."""
        encoded = super().encode(*args, **kwargs)
        encoded.last_hidden_state = self.dropout(encoded.last_hidden_state)
        return encoded

    def layers_to_run(self) -> Any:
        """The layers."""
        return self.block


class LSGT5StyleModel(TakesGlobalMask):
    """Mixed in before a library model whose encoder is built like T5's: its encoder becomes `lsg_encoder`."""

    lsg_encoder: type
    encoder: Any

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.options = LSGOptions.from_config(config)
        # The library has prepared a configuration for its own encoder.
        encoder = self.lsg_encoder(self.encoder.config)
        encoder.embed_tokens = self.shared
        encoder.passes_globals_to_decoder = hasattr(self, "decoder") and self.options.pass_global_tokens_to_decoder
        self.encoder = encoder
        self.post_init()


class LSGT5StyleSeq2SeqModel(LSGSeq2SeqModel, LSGT5StyleModel):
    """With a decoder."""
