"""M2M100 with LSG attention in its encoder. Load with `trust_remote_code=True`; the rest is the library's."""

import torch
from transformers.models.m2m_100.configuration_m2m_100 import M2M100Config
from transformers.models.m2m_100.modeling_m2m_100 import (
    M2M100Encoder,
    M2M100ForConditionalGeneration,
    M2M100Model,
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


class LSGM2M100Config(M2M100Config):
    """M2M100's configuration; the LSG options are fields beside the others."""

    _auto_class = "AutoConfig"


class LSGM2M100Encoder(LSGBartStyleEncoder, M2M100Encoder):
    """M2M100's encoder."""

    config_class = LSGM2M100Config

    embedding_norm = None
    attention_norm = "self_attn_layer_norm"
    final_norm = "layer_norm"

    def token_positions(self, inputs_embeds: torch.Tensor, input_ids: torch.Tensor | None) -> torch.Tensor:
        """Sinusoids of positions that count the tokens which are not padding."""
        return self.embed_positions(input_ids, inputs_embeds).to(inputs_embeds.dtype)


class LSGM2M100Model(LSGBartStyleModel, M2M100Model):
    """M2M100's encoder and decoder."""

    config_class = LSGM2M100Config
    _auto_class = "AutoModel"

    lsg_encoder = LSGM2M100Encoder


class LSGM2M100Head(LSGHead):
    """On M2M100's encoder and decoder."""

    config_class = LSGM2M100Config
    lsg_model = LSGM2M100Model


class LSGM2M100ForConditionalGeneration(LSGM2M100Head, M2M100ForConditionalGeneration):
    """Summarisation, translation and other generation."""

    _auto_class = "AutoModelForSeq2SeqLM"
