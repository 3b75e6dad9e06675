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

# Releases before 5.1 copy only the files that this one names, so it names all that it rests on.
from .lsg_attention import lsg_attention  # noqa: F401
from .lsg_bert_style import LSGBertStyleModel
from .lsg_bias import PositionBias  # noqa: F401
from .lsg_compat import run_layer  # noqa: F401
from .lsg_cpp import cpp_obstacle  # noqa: F401
from .lsg_cpp_kernel import SOURCE  # noqa: F401
from .lsg_eager import is_eager_on_cpu  # noqa: F401
from .lsg_encoder import LSGEncoder  # noqa: F401
from .lsg_flex import flex_obstacle  # noqa: F401
from .lsg_heads import LSGHead
from .lsg_linear import fast_linear_maps  # noqa: F401
from .lsg_opening import opening_rows  # noqa: F401
from .lsg_options import LSGOptions  # noqa: F401
from .lsg_scores import LayerCall  # noqa: F401
from .lsg_selection import select_sparse_tokens  # noqa: F401
from .lsg_self_attention import LSGSelfAttention  # noqa: F401
from .lsg_sequence import Sequence  # noqa: F401
from .lsg_training import training_obstacle  # noqa: F401
from .lsg_windows import AttentionPlan  # noqa: F401


class LSGXLMRobertaXLConfig(XLMRobertaXLConfig):
    """XLM-RoBERTa-XL's configuration; the LSG options are fields beside the others."""

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
