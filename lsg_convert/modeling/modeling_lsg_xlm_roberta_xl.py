"""XLM-RoBERTa-XL with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.xlm_roberta_xl.configuration_xlm_roberta_xl import XLMRobertaXLConfig
from transformers.models.xlm_roberta_xl.modeling_xlm_roberta_xl import (
    XLMRobertaXLForCausalLM,
    XLMRobertaXLForMaskedLM,
    XLMRobertaXLForMultipleChoice,
    XLMRobertaXLForQuestionAnswering,
    XLMRobertaXLForSequenceClassification,
    XLMRobertaXLForTokenClassification,
    XLMRobertaXLModel,
)

from .lsg_bert_style import LSGBertStyleModel
from .lsg_heads import LSGHead


class LSGXLMRobertaXLConfig(XLMRobertaXLConfig):
    """XLM-RoBERTa-XL's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-xlm-roberta-xl"
    _auto_class = "AutoConfig"


class LSGXLMRobertaXLModel(LSGBertStyleModel, XLMRobertaXLModel):
    """XLM-RoBERTa-XL's encoder."""

    config_class = LSGXLMRobertaXLConfig
    _auto_class = "AutoModel"

    embedding_norm = None
    attention_norm = "attention.self_attn_layer_norm"
    final_norm = "encoder.LayerNorm"


class LSGXLMRobertaXLHead(LSGHead):
    """On XLM-RoBERTa-XL's encoder."""

    config_class = LSGXLMRobertaXLConfig
    lsg_model = LSGXLMRobertaXLModel


class LSGXLMRobertaXLForCausalLM(LSGXLMRobertaXLHead, XLMRobertaXLForCausalLM):
    """Language modelling."""

    _auto_class = "AutoModelForCausalLM"


class LSGXLMRobertaXLForMaskedLM(LSGXLMRobertaXLHead, XLMRobertaXLForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGXLMRobertaXLForSequenceClassification(LSGXLMRobertaXLHead, XLMRobertaXLForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGXLMRobertaXLForMultipleChoice(LSGXLMRobertaXLHead, XLMRobertaXLForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGXLMRobertaXLForTokenClassification(LSGXLMRobertaXLHead, XLMRobertaXLForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGXLMRobertaXLForQuestionAnswering(LSGXLMRobertaXLHead, XLMRobertaXLForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
