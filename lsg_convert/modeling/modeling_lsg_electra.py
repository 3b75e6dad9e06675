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

from .lsg_bert_style import LSGBertStyleModel
from .lsg_heads import LSGHead


class LSGElectraConfig(ElectraConfig):
    """ELECTRA's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-electra"
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
