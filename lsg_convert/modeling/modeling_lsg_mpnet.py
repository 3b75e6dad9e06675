"""MPNet with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from torch import nn
from transformers.models.mpnet.configuration_mpnet import MPNetConfig
from transformers.models.mpnet.modeling_mpnet import (
    MPNetForMaskedLM,
    MPNetForMultipleChoice,
    MPNetForQuestionAnswering,
    MPNetForSequenceClassification,
    MPNetForTokenClassification,
    MPNetModel,
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
from .lsg_relative import GlobalBias, LSGRelativeSelfAttention
from .lsg_scores import LayerCall  # noqa: F401
from .lsg_selection import select_sparse_tokens  # noqa: F401
from .lsg_self_attention import LSGSelfAttention  # noqa: F401
from .lsg_sequence import Sequence  # noqa: F401
from .lsg_training import training_obstacle  # noqa: F401
from .lsg_windows import AttentionPlan  # noqa: F401

# The library's model does not read these from its configuration.
NUM_BUCKETS, MAX_DISTANCE = 32, 128


class LSGMPNetConfig(MPNetConfig):
    """MPNet's configuration; the LSG options are fields beside the others."""

    _auto_class = "AutoConfig"


class LSGMPNetModel(LSGBertStyleModel, MPNetModel):
    """MPNet's encoder: positions in the embeddings, and one bias by distance for all layers."""

    config_class = LSGMPNetConfig
    _auto_class = "AutoModel"

    self_attention = LSGRelativeSelfAttention
    attention_projections = ("q", "k", "v", "o")
    can_decode = False
    has_token_types = False

    def attention_owners(self) -> list[tuple[nn.Module, str]]:
        """What holds each layer's self-attention, and under which name."""
        return [(layer.attention, "attn") for layer in self.encoder.layer]

    def make_layers_lsg(self) -> None:
        """Replace the self-attention of every layer, and give it the bias."""
        super().make_layers_lsg()
        self.encoder.global_bias = GlobalBias(self.config.num_attention_heads)
        for layer in self.encoder.layer:
            layer.attention.attn.use_bias(
                self.encoder.relative_attention_bias, self.encoder.global_bias, NUM_BUCKETS, MAX_DISTANCE
            )


class LSGMPNetHead(LSGHead):
    """On MPNet's encoder."""

    config_class = LSGMPNetConfig
    lsg_model = LSGMPNetModel


class LSGMPNetForMaskedLM(LSGMPNetHead, MPNetForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGMPNetForSequenceClassification(LSGMPNetHead, MPNetForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGMPNetForMultipleChoice(LSGMPNetHead, MPNetForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGMPNetForTokenClassification(LSGMPNetHead, MPNetForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGMPNetForQuestionAnswering(LSGMPNetHead, MPNetForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
