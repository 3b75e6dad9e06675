"""XLM-RoBERTa with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.xlm_roberta.configuration_xlm_roberta import XLMRobertaConfig
from transformers.models.xlm_roberta.modeling_xlm_roberta import (
    XLMRobertaForCausalLM,
    XLMRobertaForMaskedLM,
    XLMRobertaForMultipleChoice,
    XLMRobertaForQuestionAnswering,
    XLMRobertaForSequenceClassification,
    XLMRobertaForTokenClassification,
    XLMRobertaModel,
)

from .lsg_bert_style import LSGBertStyleModel
from .lsg_heads import LSGHead


class LSGXLMRobertaConfig(XLMRobertaConfig):
    """XLM-RoBERTa's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-xlm-roberta"
    _auto_class = "AutoConfig"


class LSGXLMRobertaModel(LSGBertStyleModel, XLMRobertaModel):
    """XLM-RoBERTa's encoder."""

    config_class = LSGXLMRobertaConfig
    _auto_class = "AutoModel"


class LSGXLMRobertaHead(LSGHead):
    """On XLM-RoBERTa's encoder."""

    config_class = LSGXLMRobertaConfig
    lsg_model = LSGXLMRobertaModel


class LSGXLMRobertaForCausalLM(LSGXLMRobertaHead, XLMRobertaForCausalLM):
    """Language modelling."""

    _auto_class = "AutoModelForCausalLM"


class LSGXLMRobertaForMaskedLM(LSGXLMRobertaHead, XLMRobertaForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGXLMRobertaForSequenceClassification(LSGXLMRobertaHead, XLMRobertaForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGXLMRobertaForMultipleChoice(LSGXLMRobertaHead, XLMRobertaForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGXLMRobertaForTokenClassification(LSGXLMRobertaHead, XLMRobertaForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGXLMRobertaForQuestionAnswering(LSGXLMRobertaHead, XLMRobertaForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
