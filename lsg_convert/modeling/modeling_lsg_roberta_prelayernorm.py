"""RoBERTa-PreLayerNorm with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.roberta_prelayernorm.configuration_roberta_prelayernorm import RobertaPreLayerNormConfig
from transformers.models.roberta_prelayernorm.modeling_roberta_prelayernorm import (
    RobertaPreLayerNormForCausalLM,
    RobertaPreLayerNormForMaskedLM,
    RobertaPreLayerNormForMultipleChoice,
    RobertaPreLayerNormForQuestionAnswering,
    RobertaPreLayerNormForSequenceClassification,
    RobertaPreLayerNormForTokenClassification,
    RobertaPreLayerNormModel,
)

from .lsg_bert_style import LSGBertStyleModel
from .lsg_heads import LSGHead


class LSGRobertaPreLayerNormConfig(RobertaPreLayerNormConfig):
    """RoBERTa-PreLayerNorm's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-roberta-prelayernorm"
    _auto_class = "AutoConfig"


class LSGRobertaPreLayerNormModel(LSGBertStyleModel, RobertaPreLayerNormModel):
    """RoBERTa-PreLayerNorm's encoder."""

    config_class = LSGRobertaPreLayerNormConfig
    _auto_class = "AutoModel"

    attention_norm = "attention.LayerNorm"
    final_norm = "LayerNorm"


class LSGRobertaPreLayerNormHead(LSGHead):
    """On RoBERTa-PreLayerNorm's encoder."""

    config_class = LSGRobertaPreLayerNormConfig
    lsg_model = LSGRobertaPreLayerNormModel


class LSGRobertaPreLayerNormForCausalLM(LSGRobertaPreLayerNormHead, RobertaPreLayerNormForCausalLM):
    """Language modelling."""

    _auto_class = "AutoModelForCausalLM"


class LSGRobertaPreLayerNormForMaskedLM(LSGRobertaPreLayerNormHead, RobertaPreLayerNormForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGRobertaPreLayerNormForSequenceClassification(
    LSGRobertaPreLayerNormHead, RobertaPreLayerNormForSequenceClassification
):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGRobertaPreLayerNormForMultipleChoice(LSGRobertaPreLayerNormHead, RobertaPreLayerNormForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGRobertaPreLayerNormForTokenClassification(
    LSGRobertaPreLayerNormHead, RobertaPreLayerNormForTokenClassification
):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGRobertaPreLayerNormForQuestionAnswering(LSGRobertaPreLayerNormHead, RobertaPreLayerNormForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
