"""BART with LSG attention in its encoder. Load with `trust_remote_code=True`; decoder and heads are the library's."""

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


class LSGBartEncoder(LSGBartStyleEncoder, BartEncoder):
    """BART's encoder."""


class LSGBartModel(LSGBartStyleModel, BartModel):
    """BART's encoder and decoder."""

    lsg_encoder = LSGBartEncoder


class LSGBartHead(LSGHead):
    """On BART's encoder and decoder."""

    lsg_model = LSGBartModel


class LSGBartForConditionalGeneration(LSGBartHead, BartForConditionalGeneration):
    """Summarisation, translation and other generation."""


class LSGBartForSequenceClassification(LSGBartHead, BartForSequenceClassification):
    """Classification or regression of whole texts."""


class LSGBartForQuestionAnswering(LSGBartHead, BartForQuestionAnswering):
    """Extractive question answering."""


class LSGBartForCausalLM(BartForCausalLM):
    """The library's decoder alone, over the extended positions."""
