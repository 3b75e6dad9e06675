"""ERNIE with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.ernie.configuration_ernie import ErnieConfig
from transformers.models.ernie.modeling_ernie import (
    ErnieForCausalLM,
    ErnieForMaskedLM,
    ErnieForMultipleChoice,
    ErnieForNextSentencePrediction,
    ErnieForPreTraining,
    ErnieForQuestionAnswering,
    ErnieForSequenceClassification,
    ErnieForTokenClassification,
    ErnieModel,
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


class LSGErnieConfig(ErnieConfig):
    """ERNIE's configuration; the LSG options are fields beside the others."""

    _auto_class = "AutoConfig"


class LSGErnieModel(LSGBertStyleModel, ErnieModel):
    """ERNIE's encoder."""

    config_class = LSGErnieConfig
    _auto_class = "AutoModel"

    further_embedding_inputs = ("task_type_ids",)


class LSGErnieHead(LSGHead):
    """On ERNIE's encoder."""

    config_class = LSGErnieConfig
    lsg_model = LSGErnieModel


class LSGErnieForPreTraining(LSGErnieHead, ErnieForPreTraining):
    """Masked language modelling and next sentence prediction."""

    _auto_class = "AutoModelForPreTraining"


class LSGErnieForCausalLM(LSGErnieHead, ErnieForCausalLM):
    """Language modelling."""

    _auto_class = "AutoModelForCausalLM"


class LSGErnieForMaskedLM(LSGErnieHead, ErnieForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGErnieForNextSentencePrediction(LSGErnieHead, ErnieForNextSentencePrediction):
    """Next sentence prediction."""

    _auto_class = "AutoModelForNextSentencePrediction"


class LSGErnieForSequenceClassification(LSGErnieHead, ErnieForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGErnieForMultipleChoice(LSGErnieHead, ErnieForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGErnieForTokenClassification(LSGErnieHead, ErnieForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGErnieForQuestionAnswering(LSGErnieHead, ErnieForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
