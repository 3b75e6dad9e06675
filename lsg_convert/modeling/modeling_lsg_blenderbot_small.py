"""BlenderbotSmall with LSG attention in its encoder. Load with `trust_remote_code=True`; the rest is the library's."""

from transformers.models.blenderbot_small.configuration_blenderbot_small import BlenderbotSmallConfig
from transformers.models.blenderbot_small.modeling_blenderbot_small import (
    BlenderbotSmallEncoder,
    BlenderbotSmallForCausalLM,
    BlenderbotSmallForConditionalGeneration,
    BlenderbotSmallModel,
)

from .lsg_bart_style import LSGBartStyleEncoder, LSGBartStyleModel
from .lsg_heads import LSGHead


class LSGBlenderbotSmallConfig(BlenderbotSmallConfig):
    """BlenderbotSmall's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-blenderbot-small"
    _auto_class = "AutoConfig"


class LSGBlenderbotSmallEncoder(LSGBartStyleEncoder, BlenderbotSmallEncoder):
    """BlenderbotSmall's encoder."""

    config_class = LSGBlenderbotSmallConfig

    positions_take_shape = True


class LSGBlenderbotSmallModel(LSGBartStyleModel, BlenderbotSmallModel):
    """BlenderbotSmall's encoder and decoder."""

    config_class = LSGBlenderbotSmallConfig
    _auto_class = "AutoModel"

    lsg_encoder = LSGBlenderbotSmallEncoder


class LSGBlenderbotSmallHead(LSGHead):
    """On BlenderbotSmall's encoder and decoder."""

    config_class = LSGBlenderbotSmallConfig
    lsg_model = LSGBlenderbotSmallModel


class LSGBlenderbotSmallForConditionalGeneration(LSGBlenderbotSmallHead, BlenderbotSmallForConditionalGeneration):
    """Summarisation, translation and other generation."""

    _auto_class = "AutoModelForSeq2SeqLM"


class LSGBlenderbotSmallForCausalLM(BlenderbotSmallForCausalLM):
    """The library's decoder alone, over the extended positions."""

    config_class = LSGBlenderbotSmallConfig
    _auto_class = "AutoModelForCausalLM"
