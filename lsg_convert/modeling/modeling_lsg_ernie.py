"""ERNIE with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.ernie.configuration_ernie import ErnieConfig
from transformers.models.ernie.modeling_ernie import (
    ErnieForCausalLM,
    ErnieForMaskedLM,
    ErnieForMultipleChoice,
    ErnieForNextSentencePrediction,
    ErnieForPreTraining,
    ErnieForQuestionAnswering,
    ErnieForSequenceClassification,
    ErnieForTokenClassification,
    ErnieModel,
)

from .lsg_bert_style import LSGBertStyleModel
from .lsg_heads import LSGHead


class LSGErnieConfig(ErnieConfig):
    """ERNIE's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-ernie"
    _auto_class = "AutoConfig"


class LSGErnieModel(LSGBertStyleModel, ErnieModel):
    """ERNIE's encoder."""

    config_class = LSGErnieConfig
    _auto_class = "AutoModel"

    further_embedding_inputs = ("task_type_ids",)


class LSGErnieHead(LSGHead):
    """On ERNIE's encoder."""

    config_class = LSGErnieConfig
    lsg_model = LSGErnieModel


class LSGErnieForPreTraining(LSGErnieHead, ErnieForPreTraining):
    """Masked language modelling and next sentence prediction."""

    _auto_class = "AutoModelForPreTraining"


class LSGErnieForCausalLM(LSGErnieHead, ErnieForCausalLM):
    """Language modelling."""

    _auto_class = "AutoModelForCausalLM"


class LSGErnieForMaskedLM(LSGErnieHead, ErnieForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGErnieForNextSentencePrediction(LSGErnieHead, ErnieForNextSentencePrediction):
    """Next sentence prediction."""

    _auto_class = "AutoModelForNextSentencePrediction"


class LSGErnieForSequenceClassification(LSGErnieHead, ErnieForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGErnieForMultipleChoice(LSGErnieHead, ErnieForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGErnieForTokenClassification(LSGErnieHead, ErnieForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGErnieForQuestionAnswering(LSGErnieHead, ErnieForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
