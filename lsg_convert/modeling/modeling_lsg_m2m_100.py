"""M2M100 with LSG attention in its encoder. Load with `trust_remote_code=True`; the rest is the library's."""

import torch
from transformers.models.m2m_100.configuration_m2m_100 import M2M100Config
from transformers.models.m2m_100.modeling_m2m_100 import (
    M2M100Encoder,
    M2M100ForConditionalGeneration,
    M2M100Model,
)

from .lsg_bart_style import LSGBartStyleEncoder, LSGBartStyleModel
from .lsg_heads import LSGHead


class LSGM2M100Config(M2M100Config):
    """M2M100's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-m2m_100"
    _auto_class = "AutoConfig"


class LSGM2M100Encoder(LSGBartStyleEncoder, M2M100Encoder):
    """M2M100's encoder."""

    config_class = LSGM2M100Config

    embedding_norm = None
    attention_norm = "self_attn_layer_norm"
    final_norm = "layer_norm"

    def token_positions(self, inputs_embeds: torch.Tensor, input_ids: torch.Tensor | None) -> torch.Tensor:
        """Sinusoids of positions that count the tokens which are not padding."""
        return self.embed_positions(input_ids, inputs_embeds).to(inputs_embeds.dtype)


class LSGM2M100Model(LSGBartStyleModel, M2M100Model):
    """M2M100's encoder and decoder."""

    config_class = LSGM2M100Config
    _auto_class = "AutoModel"

    lsg_encoder = LSGM2M100Encoder


class LSGM2M100Head(LSGHead):
    """On M2M100's encoder and decoder."""

    config_class = LSGM2M100Config
    lsg_model = LSGM2M100Model


class LSGM2M100ForConditionalGeneration(LSGM2M100Head, M2M100ForConditionalGeneration):
    """Summarisation, translation and other generation."""

    _auto_class = "AutoModelForSeq2SeqLM"
