"""LED with LSG attention in its encoder. Load with `trust_remote_code=True`; decoder and heads are the library's."""

from collections.abc import Iterable

import torch
from transformers.models.led.configuration_led import LEDConfig
from transformers.models.led.modeling_led import (
    LEDEncoder,
    LEDForConditionalGeneration,
    LEDForQuestionAnswering,
    LEDModel,
)

from .lsg_bart_style import LSGBartStyleEncoder, LSGBartStyleModel
from .lsg_global_projections import LSGGlobalSelfAttention
from .lsg_heads import LSGHead


class LSGLEDConfig(LEDConfig):
    """LED's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-led"
    _auto_class = "AutoConfig"


class LSGLEDEncoder(LSGBartStyleEncoder, LEDEncoder):
    """LED's encoder."""

    config_class = LSGLEDConfig
    self_attention = LSGGlobalSelfAttention
    attention_projections = ("query", "key", "value")  # the output's lies in the module around
    positions_take_shape = True

    def attention_owners(self) -> Iterable[tuple[torch.nn.Module, str]]:
        """What holds each layer's self-attention, and under which name."""
        return ((layer.self_attn, "longformer_self_attn") for layer in self.layers)


class LSGLEDModel(LSGBartStyleModel, LEDModel):
    """LED's encoder and decoder."""

    config_class = LSGLEDConfig
    _auto_class = "AutoModel"

    lsg_encoder = LSGLEDEncoder


class LSGLEDHead(LSGHead):
    """On LED's encoder and decoder."""

    config_class = LSGLEDConfig
    lsg_model = LSGLEDModel


class LSGLEDForConditionalGeneration(LSGLEDHead, LEDForConditionalGeneration):
    """Summarisation and other generation."""

    _auto_class = "AutoModelForSeq2SeqLM"


class LSGLEDForQuestionAnswering(LSGLEDHead, LEDForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
