"""RoBERTa with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.roberta.modeling_roberta import (
    RobertaForCausalLM,
    RobertaForMaskedLM,
    RobertaForMultipleChoice,
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
    RobertaModel,
)

from .lsg_bert_style import LSGBertStyleModel
from .lsg_heads import LSGHead


class LSGRobertaModel(LSGBertStyleModel, RobertaModel):
    """RoBERTa's encoder."""


class LSGRobertaHead(LSGHead):
    """On RoBERTa's encoder."""

    lsg_model = LSGRobertaModel


class LSGRobertaForCausalLM(LSGRobertaHead, RobertaForCausalLM):
    """Language modelling."""


class LSGRobertaForMaskedLM(LSGRobertaHead, RobertaForMaskedLM):
    """Masked language modelling."""


class LSGRobertaForSequenceClassification(LSGRobertaHead, RobertaForSequenceClassification):
    """Classification or regression of whole texts."""


class LSGRobertaForMultipleChoice(LSGRobertaHead, RobertaForMultipleChoice):
    """Multiple choice."""


class LSGRobertaForTokenClassification(LSGRobertaHead, RobertaForTokenClassification):
    """Classification of tokens."""


class LSGRobertaForQuestionAnswering(LSGRobertaHead, RobertaForQuestionAnswering):
    """Extractive question answering."""
