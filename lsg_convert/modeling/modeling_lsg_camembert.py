"""CamemBERT with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.camembert.configuration_camembert import CamembertConfig
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


class LSGCamembertConfig(CamembertConfig):
    """CamemBERT's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-camembert"
    _auto_class = "AutoConfig"


class LSGCamembertModel(LSGBertStyleModel, CamembertModel):
    """CamemBERT's encoder."""

    config_class = LSGCamembertConfig
    _auto_class = "AutoModel"


class LSGCamembertHead(LSGHead):
    """On CamemBERT's encoder."""

    config_class = LSGCamembertConfig
    lsg_model = LSGCamembertModel


class LSGCamembertForCausalLM(LSGCamembertHead, CamembertForCausalLM):
    """Language modelling."""

    _auto_class = "AutoModelForCausalLM"
    # 5.0.0 has them under a prefix that the model does not use.
    _tied_weights_keys = CamembertForMaskedLM._tied_weights_keys


class LSGCamembertForMaskedLM(LSGCamembertHead, CamembertForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGCamembertForSequenceClassification(LSGCamembertHead, CamembertForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGCamembertForMultipleChoice(LSGCamembertHead, CamembertForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGCamembertForTokenClassification(LSGCamembertHead, CamembertForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGCamembertForQuestionAnswering(LSGCamembertHead, CamembertForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
