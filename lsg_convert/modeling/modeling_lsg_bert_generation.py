"""BertGeneration with LSG attention in its encoder. Load with `trust_remote_code=True`."""

from transformers.models.bert_generation.configuration_bert_generation import BertGenerationConfig
from transformers.models.bert_generation.modeling_bert_generation import BertGenerationDecoder, BertGenerationEncoder

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


class LSGBertGenerationEncoderConfig(BertGenerationConfig):
    """BertGeneration's configuration; the LSG options are fields beside the others."""

    _auto_class = "AutoConfig"


class LSGBertGenerationEncoder(LSGBertStyleModel, BertGenerationEncoder):
    """BertGeneration's encoder."""

    config_class = LSGBertGenerationEncoderConfig
    _auto_class = "AutoModel"

    has_token_types = False


class LSGBertGenerationDecoder(LSGHead, BertGenerationDecoder):
    """Language modelling."""

    config_class = LSGBertGenerationEncoderConfig
    _auto_class = "AutoModelForCausalLM"

    lsg_model = LSGBertGenerationEncoder
