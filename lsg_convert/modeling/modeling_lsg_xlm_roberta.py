"""XLM-RoBERTa with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

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


class LSGXLMRobertaModel(LSGBertStyleModel, XLMRobertaModel):
    """XLM-RoBERTa's encoder."""


class LSGXLMRobertaHead(LSGHead):
    """On XLM-RoBERTa's encoder."""

    lsg_model = LSGXLMRobertaModel


class LSGXLMRobertaForCausalLM(LSGXLMRobertaHead, XLMRobertaForCausalLM):
    """Language modelling."""


class LSGXLMRobertaForMaskedLM(LSGXLMRobertaHead, XLMRobertaForMaskedLM):
    """Masked language modelling."""


class LSGXLMRobertaForSequenceClassification(LSGXLMRobertaHead, XLMRobertaForSequenceClassification):
    """Classification or regression of whole texts."""


class LSGXLMRobertaForMultipleChoice(LSGXLMRobertaHead, XLMRobertaForMultipleChoice):
    """Multiple choice."""


class LSGXLMRobertaForTokenClassification(LSGXLMRobertaHead, XLMRobertaForTokenClassification):
    """Classification of tokens."""


class LSGXLMRobertaForQuestionAnswering(LSGXLMRobertaHead, XLMRobertaForQuestionAnswering):
    """Extractive question answering."""
