"""MegatronBERT with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.megatron_bert.configuration_megatron_bert import MegatronBertConfig
from transformers.models.megatron_bert.modeling_megatron_bert import (
    MegatronBertForCausalLM,
    MegatronBertForMaskedLM,
    MegatronBertForMultipleChoice,
    MegatronBertForNextSentencePrediction,
    MegatronBertForPreTraining,
    MegatronBertForQuestionAnswering,
    MegatronBertForSequenceClassification,
    MegatronBertForTokenClassification,
    MegatronBertModel,
)

from .lsg_bert_style import LSGBertStyleModel
from .lsg_heads import LSGHead


class LSGMegatronBertConfig(MegatronBertConfig):
    """MegatronBERT's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-megatron-bert"
    _auto_class = "AutoConfig"


class LSGMegatronBertModel(LSGBertStyleModel, MegatronBertModel):
    """MegatronBERT's encoder."""

    config_class = LSGMegatronBertConfig
    _auto_class = "AutoModel"

    embedding_norm = None
    attention_norm = "attention.ln"
    final_norm = "encoder.ln"


class LSGMegatronBertHead(LSGHead):
    """On MegatronBERT's encoder."""

    config_class = LSGMegatronBertConfig
    lsg_model = LSGMegatronBertModel


class LSGMegatronBertForPreTraining(LSGMegatronBertHead, MegatronBertForPreTraining):
    """Masked language modelling and next sentence prediction."""

    _auto_class = "AutoModelForPreTraining"


class LSGMegatronBertForCausalLM(LSGMegatronBertHead, MegatronBertForCausalLM):
    """Language modelling."""

    _auto_class = "AutoModelForCausalLM"


class LSGMegatronBertForMaskedLM(LSGMegatronBertHead, MegatronBertForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGMegatronBertForNextSentencePrediction(LSGMegatronBertHead, MegatronBertForNextSentencePrediction):
    """Next sentence prediction."""

    _auto_class = "AutoModelForNextSentencePrediction"


class LSGMegatronBertForSequenceClassification(LSGMegatronBertHead, MegatronBertForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGMegatronBertForMultipleChoice(LSGMegatronBertHead, MegatronBertForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGMegatronBertForTokenClassification(LSGMegatronBertHead, MegatronBertForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGMegatronBertForQuestionAnswering(LSGMegatronBertHead, MegatronBertForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
