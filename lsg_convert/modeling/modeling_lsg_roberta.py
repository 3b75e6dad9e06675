"""RoBERTa with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.roberta.configuration_roberta import RobertaConfig
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


class LSGRobertaConfig(RobertaConfig):
    """RoBERTa's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-roberta"
    _auto_class = "AutoConfig"


class LSGRobertaModel(LSGBertStyleModel, RobertaModel):
    """RoBERTa's encoder."""

    config_class = LSGRobertaConfig
    _auto_class = "AutoModel"


class LSGRobertaHead(LSGHead):
    """On RoBERTa's encoder."""

    config_class = LSGRobertaConfig
    lsg_model = LSGRobertaModel


class LSGRobertaForCausalLM(LSGRobertaHead, RobertaForCausalLM):
    """Language modelling."""

    _auto_class = "AutoModelForCausalLM"


class LSGRobertaForMaskedLM(LSGRobertaHead, RobertaForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGRobertaForSequenceClassification(LSGRobertaHead, RobertaForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGRobertaForMultipleChoice(LSGRobertaHead, RobertaForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGRobertaForTokenClassification(LSGRobertaHead, RobertaForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGRobertaForQuestionAnswering(LSGRobertaHead, RobertaForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
