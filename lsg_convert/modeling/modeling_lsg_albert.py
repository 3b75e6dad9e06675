"""ALBERT with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from collections.abc import Iterable
from typing import Any

import torch
from transformers.models.albert.configuration_albert import AlbertConfig
from transformers.models.albert.modeling_albert import (
    AlbertForMaskedLM,
    AlbertForMultipleChoice,
    AlbertForPreTraining,
    AlbertForQuestionAnswering,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
    AlbertModel,
)

from .lsg_bert_style import LSGBertStyleModel
from .lsg_heads import LSGHead
from .lsg_self_attention import LSGSelfAttention


class LSGAlbertConfig(AlbertConfig):
    """ALBERT's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-albert"
    _auto_class = "AutoConfig"


class LSGAlbertSelfAttention(LSGSelfAttention):
    """ALBERT's attention module: dropout, residual and layer norm belong to it."""

    def __init__(self, source: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
        super().__init__(source, *args, **kwargs)
        self.output_dropout, self.LayerNorm = source.output_dropout, source.LayerNorm

    def project(self, context: torch.Tensor, hidden_states: torch.Tensor) -> torch.Tensor:
        """The layer's hidden states after attention."""
        return self.LayerNorm(hidden_states + self.output_dropout(super().project(context, hidden_states)))


class LSGAlbertModel(LSGBertStyleModel, AlbertModel):
    """ALBERT's encoder."""

    config_class = LSGAlbertConfig
    _auto_class = "AutoModel"
    self_attention = LSGAlbertSelfAttention
    attention_projections = ("query", "key", "value", "dense")
    can_decode = False

    def attention_owners(self) -> Iterable[tuple[torch.nn.Module, str]]:
        """The layers that there are; groups of them run several times."""
        return ((layer, "attention") for group in self.encoder.albert_layer_groups for layer in group.albert_layers)

    def encoder_layers(self) -> list[torch.nn.Module]:
        """The layers of each group, as often as the group runs."""
        groups, runs = self.encoder.albert_layer_groups, self.config.num_hidden_layers
        return [layer for run in range(runs) for layer in groups[run * len(groups) // runs].albert_layers]

    def embed(self, **embedding_inputs: Any) -> torch.Tensor:
        """The embeddings, as wide as the layers."""
        embeddings = super().embed(**embedding_inputs)
        if self.options.attend_masked_runs:
            # There padding matters, and the published models have it before the projection.
            num_tokens = embeddings.shape[1] - self.options.num_global_tokens
            embeddings = torch.nn.functional.pad(embeddings, (0, 0, 0, self.padding(num_tokens)))
        return self.encoder.embedding_hidden_mapping_in(embeddings)

    def run_pooler(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """The first token, projected."""
        return self.pooler_activation(self.pooler(hidden_states[:, 0]))


class LSGAlbertHead(LSGHead):
    """On ALBERT's encoder."""

    config_class = LSGAlbertConfig
    lsg_model = LSGAlbertModel


class LSGAlbertForPreTraining(LSGAlbertHead, AlbertForPreTraining):
    """Masked language modelling and sentence order."""

    _auto_class = "AutoModelForPreTraining"


class LSGAlbertForMaskedLM(LSGAlbertHead, AlbertForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGAlbertForSequenceClassification(LSGAlbertHead, AlbertForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGAlbertForMultipleChoice(LSGAlbertHead, AlbertForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGAlbertForTokenClassification(LSGAlbertHead, AlbertForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGAlbertForQuestionAnswering(LSGAlbertHead, AlbertForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
