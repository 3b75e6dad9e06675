"""T5 with LSG attention in its encoder. Load with `trust_remote_code=True`; decoder and heads are the library's."""

from transformers.models.t5.configuration_t5 import T5Config
from transformers.models.t5.modeling_t5 import (
    T5EncoderModel,
    T5ForConditionalGeneration,
    T5ForQuestionAnswering,
    T5ForSequenceClassification,
    T5ForTokenClassification,
    T5Model,
    T5Stack,
)

# Releases before 5.1 copy only the files that this one names, so it names all that it rests on.
from .lsg_attention import lsg_attention  # noqa: F401
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
from .lsg_relative import GlobalBias  # noqa: F401
from .lsg_scores import LayerCall  # noqa: F401
from .lsg_selection import select_sparse_tokens  # noqa: F401
from .lsg_self_attention import LSGSelfAttention  # noqa: F401
from .lsg_seq2seq import LSGSeq2SeqModel  # noqa: F401
from .lsg_sequence import Sequence  # noqa: F401
from .lsg_t5_style import LSGT5StyleConfig, LSGT5StyleEncoder, LSGT5StyleModel, LSGT5StyleSeq2SeqModel
from .lsg_training import training_obstacle  # noqa: F401
from .lsg_windows import AttentionPlan  # noqa: F401


class LSGT5Config(LSGT5StyleConfig, T5Config):
    """T5's configuration; the LSG options are fields beside the others."""

    _auto_class = "AutoConfig"


class LSGT5Stack(LSGT5StyleEncoder, T5Stack):
    """T5's encoder."""

    config_class = LSGT5Config


class LSGT5EncoderModel(LSGT5StyleModel, T5EncoderModel):
    """T5's encoder alone."""

    config_class = LSGT5Config
    _auto_class = "AutoModelForTextEncoding"
    lsg_encoder = LSGT5Stack


class LSGT5Model(LSGT5StyleSeq2SeqModel, T5Model):
    """T5's encoder and decoder."""

    config_class = LSGT5Config
    _auto_class = "AutoModel"
    lsg_encoder = LSGT5Stack


class LSGT5ForConditionalGeneration(LSGT5StyleSeq2SeqModel, T5ForConditionalGeneration):
    """Generation: infilling, summarisation, translation."""

    config_class = LSGT5Config
    _auto_class = "AutoModelForSeq2SeqLM"
    lsg_encoder = LSGT5Stack


class LSGT5ForQuestionAnswering(LSGT5StyleSeq2SeqModel, T5ForQuestionAnswering):
    """Extractive question answering."""

    config_class = LSGT5Config
    _auto_class = "AutoModelForQuestionAnswering"
    lsg_encoder = LSGT5Stack


class LSGT5ForSequenceClassification(LSGHead, T5ForSequenceClassification):
    """Classification or regression of whole texts."""

    config_class = LSGT5Config
    _auto_class = "AutoModelForSequenceClassification"
    lsg_model = LSGT5Model


class LSGT5ForTokenClassification(LSGHead, T5ForTokenClassification):
    """Classification of tokens."""

    config_class = LSGT5Config
    _auto_class = "AutoModelForTokenClassification"
    lsg_model = LSGT5EncoderModel
