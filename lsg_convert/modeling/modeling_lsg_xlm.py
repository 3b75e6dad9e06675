"""XLM with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.xlm.configuration_xlm import XLMConfig
from transformers.models.xlm.modeling_xlm import (
    XLMForMultipleChoice,
    XLMForQuestionAnsweringSimple,
    XLMForSequenceClassification,
    XLMForTokenClassification,
    XLMModel,
    XLMWithLMHeadModel,
)

from .lsg_heads import LSGHead
from .lsg_xlm_style import LSGXLMStyleModel


class LSGXLMConfig(XLMConfig):
    """XLM's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-xlm"
    _auto_class = "AutoConfig"


class LSGXLMModel(LSGXLMStyleModel, XLMModel):
    """XLM's encoder."""

    config_class = LSGXLMConfig
    _auto_class = "AutoModel"


class LSGXLMHead(LSGHead):
    """On XLM's encoder."""

    config_class = LSGXLMConfig
    lsg_model = LSGXLMModel


class LSGXLMWithLMHeadModel(LSGXLMHead, XLMWithLMHeadModel):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGXLMForSequenceClassification(LSGXLMHead, XLMForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGXLMForMultipleChoice(LSGXLMHead, XLMForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGXLMForTokenClassification(LSGXLMHead, XLMForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGXLMForQuestionAnsweringSimple(LSGXLMHead, XLMForQuestionAnsweringSimple):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
