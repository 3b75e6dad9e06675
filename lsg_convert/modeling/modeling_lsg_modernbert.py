"""ModernBERT with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.modernbert import modeling_modernbert
from transformers.models.modernbert.configuration_modernbert import ModernBertConfig
from transformers.models.modernbert.modeling_modernbert import (
    ModernBertForMaskedLM,
    ModernBertForSequenceClassification,
    ModernBertForTokenClassification,
    ModernBertModel,
)

from .lsg_compat import library_class
from .lsg_heads import LSGHead
from .lsg_mask_beside import MaskBeside
from .lsg_modernbert_style import LSGModernBertStyleModel


class LSGModernBertConfig(ModernBertConfig):
    """ModernBERT's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-modernbert"
    _auto_class = "AutoConfig"
    lsg_local_attention = "block"  # `local_attention` is a number of the library's


class LSGModernBertModel(LSGModernBertStyleModel, ModernBertModel):
    """ModernBERT's encoder."""

    config_class = LSGModernBertConfig
    _auto_class = "AutoModel"


class LSGModernBertHead(MaskBeside, LSGHead):
    """On ModernBERT's encoder."""

    config_class = LSGModernBertConfig
    lsg_model = LSGModernBertModel
    _supports_flash_attn = _supports_flash_attn_2 = False


class LSGModernBertForMaskedLM(LSGModernBertHead, ModernBertForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGModernBertForSequenceClassification(LSGModernBertHead, ModernBertForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGModernBertForMultipleChoice(
    LSGModernBertHead,
    library_class(modeling_modernbert, "ModernBertForMultipleChoice"),
):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGModernBertForTokenClassification(LSGModernBertHead, ModernBertForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGModernBertForQuestionAnswering(
    LSGModernBertHead,
    library_class(modeling_modernbert, "ModernBertForQuestionAnswering"),
):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
