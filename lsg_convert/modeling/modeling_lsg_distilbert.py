"""DistilBERT with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

import torch
from torch import nn
from transformers.models.distilbert.configuration_distilbert import DistilBertConfig
from transformers.models.distilbert.modeling_distilbert import (
    DistilBertForMaskedLM,
    DistilBertForMultipleChoice,
    DistilBertForQuestionAnswering,
    DistilBertForSequenceClassification,
    DistilBertForTokenClassification,
    DistilBertModel,
)

from .lsg_bert_style import LSGBertStyleModel
from .lsg_heads import LSGHead


class LSGDistilBertConfig(DistilBertConfig):
    """DistilBERT's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-distilbert"
    _auto_class = "AutoConfig"


class LSGDistilBertModel(LSGBertStyleModel, DistilBertModel):
    """DistilBERT's encoder."""

    config_class = LSGDistilBertConfig
    _auto_class = "AutoModel"

    can_decode = False
    has_token_types = False

    def make_layers_lsg(self) -> None:
        """Replace the self-attention of every layer."""
        self.replace_self_attention(
            ((layer, "attention") for layer in self.transformer.layer),
            projections=("q_lin", "k_lin", "v_lin", "out_lin"),
            num_heads=self.config.n_heads,
            dropout=self.config.attention_dropout,
        )

    def encoder_layers(self) -> nn.ModuleList:
        """The layers, in the order they run."""
        return self.transformer.layer

    def embed(self, **embedding_inputs: torch.Tensor | None) -> torch.Tensor:
        """The embeddings of [batch, T] tokens, globals in front; the library's take positions from 5.0 on."""
        positions = embedding_inputs["position_ids"]
        further = {} if positions is None else {"position_ids": positions}
        return self.with_globals(
            self.embeddings(embedding_inputs["input_ids"], embedding_inputs["inputs_embeds"], **further)
        )


class LSGDistilBertHead(LSGHead):
    """On DistilBERT's encoder."""

    config_class = LSGDistilBertConfig
    lsg_model = LSGDistilBertModel


class LSGDistilBertForMaskedLM(LSGDistilBertHead, DistilBertForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGDistilBertForSequenceClassification(LSGDistilBertHead, DistilBertForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGDistilBertForMultipleChoice(LSGDistilBertHead, DistilBertForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGDistilBertForTokenClassification(LSGDistilBertHead, DistilBertForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGDistilBertForQuestionAnswering(LSGDistilBertHead, DistilBertForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
