"""RemBERT with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from typing import Any

import torch
from transformers.models.rembert.configuration_rembert import RemBertConfig
from transformers.models.rembert.modeling_rembert import (
    RemBertForCausalLM,
    RemBertForMaskedLM,
    RemBertForMultipleChoice,
    RemBertForQuestionAnswering,
    RemBertForSequenceClassification,
    RemBertForTokenClassification,
    RemBertModel,
)

from .lsg_bert_style import LSGBertStyleModel
from .lsg_heads import LSGHead


class LSGRemBertConfig(RemBertConfig):
    """RemBERT's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-rembert"
    _auto_class = "AutoConfig"


class LSGRemBertModel(LSGBertStyleModel, RemBertModel):
    """RemBERT's encoder."""

    config_class = LSGRemBertConfig
    _auto_class = "AutoModel"

    def embed(self, **embedding_inputs: Any) -> torch.Tensor:
        """The embeddings, as wide as the layers."""
        return self.encoder.embedding_hidden_mapping_in(super().embed(**embedding_inputs))


class LSGRemBertHead(LSGHead):
    """On RemBERT's encoder."""

    config_class = LSGRemBertConfig
    lsg_model = LSGRemBertModel


class LSGRemBertForCausalLM(LSGRemBertHead, RemBertForCausalLM):
    """Language modelling."""

    _auto_class = "AutoModelForCausalLM"


class LSGRemBertForMaskedLM(LSGRemBertHead, RemBertForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGRemBertForSequenceClassification(LSGRemBertHead, RemBertForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGRemBertForMultipleChoice(LSGRemBertHead, RemBertForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGRemBertForTokenClassification(LSGRemBertHead, RemBertForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGRemBertForQuestionAnswering(LSGRemBertHead, RemBertForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
