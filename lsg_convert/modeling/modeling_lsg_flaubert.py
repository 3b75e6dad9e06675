"""FlauBERT with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.flaubert.configuration_flaubert import FlaubertConfig
from transformers.models.flaubert.modeling_flaubert import (
    FlaubertForMultipleChoice,
    FlaubertForQuestionAnsweringSimple,
    FlaubertForSequenceClassification,
    FlaubertForTokenClassification,
    FlaubertModel,
    FlaubertWithLMHeadModel,
)

from .lsg_heads import LSGHead
from .lsg_xlm_style import LSGXLMStyleModel


class LSGFlaubertConfig(FlaubertConfig):
    """FlauBERT's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-flaubert"
    _auto_class = "AutoConfig"


class LSGFlaubertModel(LSGXLMStyleModel, FlaubertModel):
    """FlauBERT's encoder."""

    config_class = LSGFlaubertConfig
    _auto_class = "AutoModel"


class LSGFlaubertHead(LSGHead):
    """On FlauBERT's encoder."""

    config_class = LSGFlaubertConfig
    lsg_model = LSGFlaubertModel


class LSGFlaubertWithLMHeadModel(LSGFlaubertHead, FlaubertWithLMHeadModel):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGFlaubertForSequenceClassification(LSGFlaubertHead, FlaubertForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGFlaubertForMultipleChoice(LSGFlaubertHead, FlaubertForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGFlaubertForTokenClassification(LSGFlaubertHead, FlaubertForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGFlaubertForQuestionAnsweringSimple(LSGFlaubertHead, FlaubertForQuestionAnsweringSimple):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
