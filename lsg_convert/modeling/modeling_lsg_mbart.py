"""mBART with LSG attention in its encoder. Load with `trust_remote_code=True`; the rest is the library's."""

from transformers.models.mbart.configuration_mbart import MBartConfig
from transformers.models.mbart.modeling_mbart import (
    MBartEncoder,
    MBartForCausalLM,
    MBartForConditionalGeneration,
    MBartForQuestionAnswering,
    MBartForSequenceClassification,
    MBartModel,
)

# Releases before 5.1 copy only the files that this one names, so it names all that it rests on.
from .lsg_attention import lsg_attention  # noqa: F401
from .lsg_bart_style import LSGBartStyleEncoder, LSGBartStyleModel
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
from .lsg_seq2seq import LSGSeq2SeqModel  # noqa: F401
from .lsg_sequence import Sequence  # noqa: F401
from .lsg_training import training_obstacle  # noqa: F401
from .lsg_windows import AttentionPlan  # noqa: F401


class LSGMBartConfig(MBartConfig):
    """mBART's configuration; the LSG options are fields beside the others."""

    _auto_class = "AutoConfig"


class LSGMBartEncoder(LSGBartStyleEncoder, MBartEncoder):
    """mBART's encoder."""

    config_class = LSGMBartConfig

    attention_norm = "self_attn_layer_norm"
    final_norm = "layer_norm"


class LSGMBartModel(LSGBartStyleModel, MBartModel):
    """mBART's encoder and decoder."""

    config_class = LSGMBartConfig
    _auto_class = "AutoModel"

    lsg_encoder = LSGMBartEncoder


class LSGMBartHead(LSGHead):
    """On mBART's encoder and decoder."""

    config_class = LSGMBartConfig
    lsg_model = LSGMBartModel


class LSGMBartForConditionalGeneration(LSGMBartHead, MBartForConditionalGeneration):
    """Summarisation, translation and other generation."""

    _auto_class = "AutoModelForSeq2SeqLM"


class LSGMBartForSequenceClassification(LSGMBartHead, MBartForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGMBartForQuestionAnswering(LSGMBartHead, MBartForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"


class LSGMBartForCausalLM(MBartForCausalLM):
    """The library's decoder alone, over the extended positions."""

    config_class = LSGMBartConfig
    _auto_class = "AutoModelForCausalLM"
