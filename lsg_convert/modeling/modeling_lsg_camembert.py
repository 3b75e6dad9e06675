"""CamemBERT with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.camembert.modeling_camembert import (
    CamembertForCausalLM,
    CamembertForMaskedLM,
    CamembertForMultipleChoice,
    CamembertForQuestionAnswering,
    CamembertForSequenceClassification,
    CamembertForTokenClassification,
    CamembertModel,
)

from .lsg_bert_style import LSGBertStyleModel
from .lsg_heads import LSGHead


class LSGCamembertModel(LSGBertStyleModel, CamembertModel):
    """CamemBERT's encoder."""


class LSGCamembertHead(LSGHead):
    """On CamemBERT's encoder."""

    lsg_model = LSGCamembertModel


class LSGCamembertForCausalLM(LSGCamembertHead, CamembertForCausalLM):
    """Language modelling."""


class LSGCamembertForMaskedLM(LSGCamembertHead, CamembertForMaskedLM):
    """Masked language modelling."""


class LSGCamembertForSequenceClassification(LSGCamembertHead, CamembertForSequenceClassification):
    """Classification or regression of whole texts."""


class LSGCamembertForMultipleChoice(LSGCamembertHead, CamembertForMultipleChoice):
    """Multiple choice."""


class LSGCamembertForTokenClassification(LSGCamembertHead, CamembertForTokenClassification):
    """Classification of tokens."""


class LSGCamembertForQuestionAnswering(LSGCamembertHead, CamembertForQuestionAnswering):
    """Extractive question answering."""
