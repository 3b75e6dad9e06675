"""BigBird with LSG attention. Load with `trust_remote_code=True`; the heads are the library's."""

from typing import Any

import torch
from transformers.models.big_bird.configuration_big_bird import BigBirdConfig
from transformers.models.big_bird.modeling_big_bird import (
    BigBirdForCausalLM,
    BigBirdForMaskedLM,
    BigBirdForMultipleChoice,
    BigBirdForPreTraining,
    BigBirdForQuestionAnswering,
    BigBirdForSequenceClassification,
    BigBirdForTokenClassification,
    BigBirdModel,
)

from .lsg_bert_style import LSGBertStyleModel
from .lsg_end_blocks import EndBlocksEncoder
from .lsg_heads import LSGHead


class LSGBigBirdConfig(BigBirdConfig):
    """BigBird's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-big_bird"
    _auto_class = "AutoConfig"


class LSGBigBirdModel(EndBlocksEncoder, LSGBertStyleModel, BigBirdModel):
    """BigBird's encoder."""

    config_class = LSGBigBirdConfig
    _auto_class = "AutoModel"

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        if self.decodes():
            self.attend_fully()  # a decoder's blocks would look both ways

    def make_layers_lsg(self) -> None:
        """Replace the self-attention of every layer."""
        self.attend_fully()
        super().make_layers_lsg()

    def run_pooler(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """The first token, projected."""
        return self.activation(self.pooler(hidden_states[:, 0]))


class LSGBigBirdHead(LSGHead):
    """On BigBird's encoder."""

    config_class = LSGBigBirdConfig
    lsg_model = LSGBigBirdModel


class LSGBigBirdForPreTraining(LSGBigBirdHead, BigBirdForPreTraining):
    """Masked language modelling and next sentence prediction."""

    _auto_class = "AutoModelForPreTraining"


class LSGBigBirdForMaskedLM(LSGBigBirdHead, BigBirdForMaskedLM):
    """Masked language modelling."""

    _auto_class = "AutoModelForMaskedLM"


class LSGBigBirdForCausalLM(LSGBigBirdHead, BigBirdForCausalLM):
    """Language modelling."""

    _auto_class = "AutoModelForCausalLM"


class LSGBigBirdForSequenceClassification(LSGBigBirdHead, BigBirdForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGBigBirdForMultipleChoice(LSGBigBirdHead, BigBirdForMultipleChoice):
    """Multiple choice."""

    _auto_class = "AutoModelForMultipleChoice"


class LSGBigBirdForTokenClassification(LSGBigBirdHead, BigBirdForTokenClassification):
    """Classification of tokens."""

    _auto_class = "AutoModelForTokenClassification"


class LSGBigBirdForQuestionAnswering(LSGBigBirdHead, BigBirdForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"
