"""Blenderbot with LSG attention in its encoder. Load with `trust_remote_code=True`; the rest is the library's."""

from transformers.models.blenderbot.configuration_blenderbot import BlenderbotConfig
from transformers.models.blenderbot.modeling_blenderbot import (
    BlenderbotEncoder,
    BlenderbotForCausalLM,
    BlenderbotForConditionalGeneration,
    BlenderbotModel,
)

from .lsg_bart_style import LSGBartStyleEncoder, LSGBartStyleModel
from .lsg_heads import LSGHead


class LSGBlenderbotConfig(BlenderbotConfig):
    """Blenderbot's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-blenderbot"
    _auto_class = "AutoConfig"


class LSGBlenderbotEncoder(LSGBartStyleEncoder, BlenderbotEncoder):
    """Blenderbot's encoder."""

    config_class = LSGBlenderbotConfig

    embedding_norm = None
    positions_take_shape = True
    attention_norm = "self_attn_layer_norm"
    final_norm = "layer_norm"


class LSGBlenderbotModel(LSGBartStyleModel, BlenderbotModel):
    """Blenderbot's encoder and decoder."""

    config_class = LSGBlenderbotConfig
    _auto_class = "AutoModel"

    lsg_encoder = LSGBlenderbotEncoder


class LSGBlenderbotHead(LSGHead):
    """On Blenderbot's encoder and decoder."""

    config_class = LSGBlenderbotConfig
    lsg_model = LSGBlenderbotModel


class LSGBlenderbotForConditionalGeneration(LSGBlenderbotHead, BlenderbotForConditionalGeneration):
    """Summarisation, translation and other generation."""

    _auto_class = "AutoModelForSeq2SeqLM"


class LSGBlenderbotForCausalLM(BlenderbotForCausalLM):
    """The library's decoder alone, over the extended positions."""

    config_class = LSGBlenderbotConfig
    _auto_class = "AutoModelForCausalLM"
