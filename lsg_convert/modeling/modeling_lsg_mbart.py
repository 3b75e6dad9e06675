"""mBART with LSG attention in its encoder. Load with `trust_remote_code=True`; the rest is the library's."""

from transformers.models.mbart.configuration_mbart import MBartConfig
from transformers.models.mbart.modeling_mbart import (
    MBartEncoder,
    MBartForCausalLM,
    MBartForConditionalGeneration,
    MBartForQuestionAnswering,
    MBartForSequenceClassification,
    MBartModel,
)

from .lsg_bart_style import LSGBartStyleEncoder, LSGBartStyleModel
from .lsg_heads import LSGHead


class LSGMBartConfig(MBartConfig):
    """mBART's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-mbart"
    _auto_class = "AutoConfig"


class LSGMBartEncoder(LSGBartStyleEncoder, MBartEncoder):
    """mBART's encoder."""

    config_class = LSGMBartConfig

    attention_norm = "self_attn_layer_norm"
    final_norm = "layer_norm"


class LSGMBartModel(LSGBartStyleModel, MBartModel):
    """mBART's encoder and decoder."""

    config_class = LSGMBartConfig
    _auto_class = "AutoModel"

    lsg_encoder = LSGMBartEncoder


class LSGMBartHead(LSGHead):
    """On mBART's encoder and decoder."""

    config_class = LSGMBartConfig
    lsg_model = LSGMBartModel


class LSGMBartForConditionalGeneration(LSGMBartHead, MBartForConditionalGeneration):
    """Summarisation, translation and other generation."""

    _auto_class = "AutoModelForSeq2SeqLM"


class LSGMBartForSequenceClassification(LSGMBartHead, MBartForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGMBartForQuestionAnswering(LSGMBartHead, MBartForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"


class LSGMBartForCausalLM(MBartForCausalLM):
    """The library's decoder alone, over the extended positions."""

    config_class = LSGMBartConfig
    _auto_class = "AutoModelForCausalLM"
