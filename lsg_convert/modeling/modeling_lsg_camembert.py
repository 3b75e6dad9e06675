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


class LSGCamembertConfig(CamembertConfig):
    """CamemBERT's configuration; the LSG options are fields beside the others."""

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
