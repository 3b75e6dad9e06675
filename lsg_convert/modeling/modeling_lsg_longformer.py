"""Longformer with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from typing import Any

import torch
from transformers.models.longformer.configuration_longformer import LongformerConfig
from transformers.models.longformer.modeling_longformer import (
    LongformerBaseModelOutputWithPooling,
    LongformerForMaskedLM,
    LongformerForMultipleChoice,
    LongformerForQuestionAnswering,
    LongformerForSequenceClassification,
    LongformerForTokenClassification,
    LongformerModel,
)

from .lsg_automatic_globals import RuleInHead
from .lsg_bert_style import LSGBertStyleModel
from .lsg_compat import wants_dict
from .lsg_encoder import LSGEncoderOutput
from .lsg_global_projections import LSGGlobalSelfAttention
from .lsg_heads import LSGHead


class LSGLongformerConfig(LongformerConfig):
    """Longformer's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-longformer"
    _auto_class = "AutoConfig"


class LSGLongformerModel(LSGBertStyleModel, LongformerModel):
    """Longformer's encoder."""

    config_class = LSGLongformerConfig
    _auto_class = "AutoModel"
    self_attention = LSGGlobalSelfAttention
    can_decode = False

    def forward(  # type: ignore[override]  # the library has its arguments in this order
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        global_attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """As the library's model; its third argument is the mask of global tokens."""
        output = super().forward(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            global_attention_mask=global_attention_mask,
            inputs_embeds=inputs_embeds,
            return_dict=True,
            **kwargs,
        )
        if wants_dict(self.config, return_dict):
            return output
        further = () if output.hidden_states is None else (output.hidden_states,)
        return (output.last_hidden_state, output.pooler_output, *further)

    def pool(self, encoded: LSGEncoderOutput) -> LongformerBaseModelOutputWithPooling:
        """Add the pooler's output; there are no attentions, for which the library's heads ask."""
        states = encoded.last_hidden_state
        return LongformerBaseModelOutputWithPooling(
            last_hidden_state=states,
            pooler_output=None if self.pooler is None else self.run_pooler(states),
            hidden_states=encoded.hidden_states,
        )


class LSGLongformerHead(LSGHead):
    """On Longformer's encoder."""

    config_class = LSGLongformerConfig
    lsg_model = LSGLongformerModel


class LSGLongformerForMaskedLM(LSGLongformerHead, LongformerForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGLongformerForSequenceClassification(RuleInHead, LSGLongformerHead, LongformerForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGLongformerForMultipleChoice(RuleInHead, LSGLongformerHead, LongformerForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGLongformerForTokenClassification(LSGLongformerHead, LongformerForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGLongformerForQuestionAnswering(RuleInHead, LSGLongformerHead, LongformerForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
