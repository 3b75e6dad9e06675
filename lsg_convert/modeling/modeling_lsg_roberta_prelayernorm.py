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


class LSGRobertaPreLayerNormConfig(RobertaPreLayerNormConfig):
    """RoBERTa-PreLayerNorm's configuration; the LSG options are fields beside the others."""

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
