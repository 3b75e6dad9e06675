"""PLBart with LSG attention in its encoder. Load with `trust_remote_code=True`; the rest is the library's."""

from transformers.models.plbart.configuration_plbart import PLBartConfig
from transformers.models.plbart.modeling_plbart import (
    PLBartEncoder,
    PLBartForCausalLM,
    PLBartForConditionalGeneration,
    PLBartForSequenceClassification,
    PLBartModel,
)

from .lsg_bart_style import LSGBartStyleEncoder, LSGBartStyleModel
from .lsg_heads import LSGHead


class LSGPLBartConfig(PLBartConfig):
    """PLBart's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-plbart"
    _auto_class = "AutoConfig"


class LSGPLBartEncoder(LSGBartStyleEncoder, PLBartEncoder):
    """PLBart's encoder."""

    config_class = LSGPLBartConfig


class LSGPLBartModel(LSGBartStyleModel, PLBartModel):
    """PLBart's encoder and decoder."""

    config_class = LSGPLBartConfig
    _auto_class = "AutoModel"

    lsg_encoder = LSGPLBartEncoder


class LSGPLBartHead(LSGHead):
    """On PLBart's encoder and decoder."""

    config_class = LSGPLBartConfig
    lsg_model = LSGPLBartModel


class LSGPLBartForConditionalGeneration(LSGPLBartHead, PLBartForConditionalGeneration):
    """Summarisation, translation and other generation."""

    _auto_class = "AutoModelForSeq2SeqLM"


class LSGPLBartForSequenceClassification(LSGPLBartHead, PLBartForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGPLBartForCausalLM(PLBartForCausalLM):
    """The library's decoder alone, over the extended positions."""

    config_class = LSGPLBartConfig
    _auto_class = "AutoModelForCausalLM"
