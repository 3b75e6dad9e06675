"""BERT with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.bert.modeling_bert import (
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertLMHeadModel,
    BertModel,
)

from .lsg_bert_style import LSGBertStyleModel
from .lsg_heads import LSGHead


class LSGBertModel(LSGBertStyleModel, BertModel):
    """BERT's encoder."""


class LSGBertHead(LSGHead):
    """On BERT's encoder."""

    lsg_model = LSGBertModel


class LSGBertForPreTraining(LSGBertHead, BertForPreTraining):
    """Masked language modelling and next sentence prediction."""


class LSGBertLMHeadModel(LSGBertHead, BertLMHeadModel):
    """Language modelling."""


class LSGBertForMaskedLM(LSGBertHead, BertForMaskedLM):
    """Masked language modelling."""


class LSGBertForNextSentencePrediction(LSGBertHead, BertForNextSentencePrediction):
    """Next sentence prediction."""


class LSGBertForSequenceClassification(LSGBertHead, BertForSequenceClassification):
    """Classification or regression of whole texts."""


class LSGBertForMultipleChoice(LSGBertHead, BertForMultipleChoice):
    """Multiple choice."""


class LSGBertForTokenClassification(LSGBertHead, BertForTokenClassification):
    """Classification of tokens."""


class LSGBertForQuestionAnswering(LSGBertHead, BertForQuestionAnswering):
    """Extractive question answering."""
