"""BERT with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.bert.configuration_bert import BertConfig
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


class LSGBertConfig(BertConfig):
    """BERT's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-bert"
    _auto_class = "AutoConfig"


class LSGBertModel(LSGBertStyleModel, BertModel):
    """BERT's encoder."""

    config_class = LSGBertConfig
    _auto_class = "AutoModel"


class LSGBertHead(LSGHead):
    """On BERT's encoder."""

    config_class = LSGBertConfig
    lsg_model = LSGBertModel


class LSGBertForPreTraining(LSGBertHead, BertForPreTraining):
    """Masked language modelling and next sentence prediction."""

    _auto_class = "AutoModelForPreTraining"


class LSGBertLMHeadModel(LSGBertHead, BertLMHeadModel):
    """Language modelling."""

    _auto_class = "AutoModelForCausalLM"


class LSGBertForMaskedLM(LSGBertHead, BertForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGBertForNextSentencePrediction(LSGBertHead, BertForNextSentencePrediction):
    """Next sentence prediction."""

    _auto_class = "AutoModelForNextSentencePrediction"


class LSGBertForSequenceClassification(LSGBertHead, BertForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGBertForMultipleChoice(LSGBertHead, BertForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGBertForTokenClassification(LSGBertHead, BertForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGBertForQuestionAnswering(LSGBertHead, BertForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
