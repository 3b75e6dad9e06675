"""DeBERTa with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from typing import Any

import torch
from transformers.models.deberta.configuration_deberta import DebertaConfig
from transformers.models.deberta.modeling_deberta import (
    DebertaForMaskedLM,
    DebertaForQuestionAnswering,
    DebertaForSequenceClassification,
    DebertaForTokenClassification,
    DebertaModel,
)

from .lsg_deberta_style import LSGDebertaStyleModel, LSGDisentangledSelfAttention
from .lsg_heads import LSGHead


class LSGDebertaConfig(DebertaConfig):
    """DeBERTa's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-deberta"
    _auto_class = "AutoConfig"


class LSGDebertaSelfAttention(LSGDisentangledSelfAttention):
    """Query, key and value of each head come from one projection, and keys have no bias."""

    position_projections = ("pos_proj", "pos_q_proj")

    def __init__(self, source: Any, projections: tuple[str, ...], num_heads: int, dropout: float, *_: Any):
        head_width = source.in_proj.out_features // (3 * num_heads)
        num_terms = 1 + len(source.pos_att_type)
        super().__init__(source, projections, num_heads, dropout, (head_width * num_terms) ** -0.5)
        self.head_width = head_width
        self.q_bias, self.v_bias = source.q_bias, source.v_bias
        self.take_position_projections(source)

    def project_in(self, hidden_states: torch.Tensor) -> list[torch.Tensor]:
        """Query, key and value [batch, length, heads · head width] of `hidden_states` [batch, length, width]."""
        projected = self.in_proj(hidden_states).unflatten(-1, (self.num_heads, 3, self.head_width))
        query, key, value = (part.flatten(-2) for part in projected.unbind(-2))
        # The library creates them in float32 whatever the model is loaded in.
        return [query + self.q_bias.to(query.dtype), key, value + self.v_bias.to(value.dtype)]


class LSGDebertaModel(LSGDebertaStyleModel, DebertaModel):
    """DeBERTa's encoder."""

    config_class = LSGDebertaConfig
    _auto_class = "AutoModel"

    self_attention = LSGDebertaSelfAttention
    attention_projections = ("in_proj",)


class LSGDebertaHead(LSGHead):
    """On DeBERTa's encoder."""

    config_class = LSGDebertaConfig
    lsg_model = LSGDebertaModel


class LSGDebertaForMaskedLM(LSGDebertaHead, DebertaForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGDebertaForSequenceClassification(LSGDebertaHead, DebertaForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGDebertaForTokenClassification(LSGDebertaHead, DebertaForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGDebertaForQuestionAnswering(LSGDebertaHead, DebertaForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
