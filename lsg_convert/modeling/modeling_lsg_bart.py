"""BART with LSG attention in its encoder. Load with `trust_remote_code=True`; decoder and heads are the library's."""

from transformers.models.bart.configuration_bart import BartConfig
from transformers.models.bart.modeling_bart import (
    BartEncoder,
    BartForCausalLM,
    BartForConditionalGeneration,
    BartForQuestionAnswering,
    BartForSequenceClassification,
    BartModel,
)

from .lsg_bart_style import LSGBartStyleEncoder, LSGBartStyleModel
from .lsg_heads import LSGHead


class LSGBartConfig(BartConfig):
    """BART's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-bart"
    _auto_class = "AutoConfig"


class LSGBartEncoder(LSGBartStyleEncoder, BartEncoder):
    """BART's encoder."""

    config_class = LSGBartConfig


class LSGBartModel(LSGBartStyleModel, BartModel):
    """BART's encoder and decoder."""

    config_class = LSGBartConfig
    _auto_class = "AutoModel"

    lsg_encoder = LSGBartEncoder


class LSGBartHead(LSGHead):
    """On BART's encoder and decoder."""

    config_class = LSGBartConfig
    lsg_model = LSGBartModel


class LSGBartForConditionalGeneration(LSGBartHead, BartForConditionalGeneration):
    """Summarisation, translation and other generation."""

    _auto_class = "AutoModelForSeq2SeqLM"


class LSGBartForSequenceClassification(LSGBartHead, BartForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGBartForQuestionAnswering(LSGBartHead, BartForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"


class LSGBartForCausalLM(BartForCausalLM):
    """The library's decoder alone, over the extended positions."""

    config_class = LSGBartConfig
    _auto_class = "AutoModelForCausalLM"
