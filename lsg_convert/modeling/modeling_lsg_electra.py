"""ELECTRA with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from typing import Any

import torch
from transformers.models.electra.configuration_electra import ElectraConfig
from transformers.models.electra.modeling_electra import (
    ElectraForCausalLM,
    ElectraForMaskedLM,
    ElectraForMultipleChoice,
    ElectraForPreTraining,
    ElectraForQuestionAnswering,
    ElectraForSequenceClassification,
    ElectraForTokenClassification,
    ElectraModel,
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


class LSGElectraConfig(ElectraConfig):
    """ELECTRA's configuration; the LSG options are fields beside the others."""

    _auto_class = "AutoConfig"


class LSGElectraModel(LSGBertStyleModel, ElectraModel):
    """ELECTRA's encoder."""

    config_class = LSGElectraConfig
    _auto_class = "AutoModel"

    def embed(self, **embedding_inputs: Any) -> torch.Tensor:
        """The embeddings, projected where they are not as wide as the layers."""
        embeddings = super().embed(**embedding_inputs)
        return self.embeddings_project(embeddings) if hasattr(self, "embeddings_project") else embeddings


class LSGElectraHead(LSGHead):
    """On ELECTRA's encoder."""

    config_class = LSGElectraConfig
    lsg_model = LSGElectraModel


class LSGElectraForPreTraining(LSGElectraHead, ElectraForPreTraining):
    """The discriminator: which tokens were replaced."""

    _auto_class = "AutoModelForPreTraining"


class LSGElectraForCausalLM(LSGElectraHead, ElectraForCausalLM):
    """Language modelling."""

    _auto_class = "AutoModelForCausalLM"


class LSGElectraForMaskedLM(LSGElectraHead, ElectraForMaskedLM):
    """The generator: masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGElectraForSequenceClassification(LSGElectraHead, ElectraForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGElectraForMultipleChoice(LSGElectraHead, ElectraForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGElectraForTokenClassification(LSGElectraHead, ElectraForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGElectraForQuestionAnswering(LSGElectraHead, ElectraForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
