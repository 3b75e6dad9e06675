"""Data2VecText with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from transformers.models.data2vec.configuration_data2vec_text import Data2VecTextConfig
from transformers.models.data2vec.modeling_data2vec_text import (
    Data2VecTextForCausalLM,
    Data2VecTextForMaskedLM,
    Data2VecTextForMultipleChoice,
    Data2VecTextForQuestionAnswering,
    Data2VecTextForSequenceClassification,
    Data2VecTextForTokenClassification,
    Data2VecTextModel,
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


class LSGData2VecTextConfig(Data2VecTextConfig):
    """Data2VecText's configuration; the LSG options are fields beside the others."""

    _auto_class = "AutoConfig"


class LSGData2VecTextModel(LSGBertStyleModel, Data2VecTextModel):
    """Data2VecText's encoder."""

    config_class = LSGData2VecTextConfig
    _auto_class = "AutoModel"


class LSGData2VecTextHead(LSGHead):
    """On Data2VecText's encoder."""

    config_class = LSGData2VecTextConfig
    lsg_model = LSGData2VecTextModel


class LSGData2VecTextForCausalLM(LSGData2VecTextHead, Data2VecTextForCausalLM):
    """Language modelling."""

    _auto_class = "AutoModelForCausalLM"


class LSGData2VecTextForMaskedLM(LSGData2VecTextHead, Data2VecTextForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGData2VecTextForSequenceClassification(LSGData2VecTextHead, Data2VecTextForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGData2VecTextForMultipleChoice(LSGData2VecTextHead, Data2VecTextForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGData2VecTextForTokenClassification(LSGData2VecTextHead, Data2VecTextForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGData2VecTextForQuestionAnswering(LSGData2VecTextHead, Data2VecTextForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
