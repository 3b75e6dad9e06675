"""BigBird-Pegasus with LSG attention in its encoder. Load with `trust_remote_code=True`; the rest is the library's."""

import copy
from collections.abc import Iterable

import torch
from transformers.models.bigbird_pegasus.configuration_bigbird_pegasus import BigBirdPegasusConfig
from transformers.models.bigbird_pegasus.modeling_bigbird_pegasus import (
    BigBirdPegasusEncoder,
    BigBirdPegasusForCausalLM,
    BigBirdPegasusForConditionalGeneration,
    BigBirdPegasusForQuestionAnswering,
    BigBirdPegasusForSequenceClassification,
    BigBirdPegasusModel,
)

from .lsg_bart_style import LSGBartStyleEncoder, LSGBartStyleModel
from .lsg_end_blocks import EndBlocksEncoder
from .lsg_heads import LSGHead


class LSGBigBirdPegasusConfig(BigBirdPegasusConfig):
    """BigBird-Pegasus's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-bigbird_pegasus"
    _auto_class = "AutoConfig"


class LSGBigBirdPegasusEncoder(EndBlocksEncoder, LSGBartStyleEncoder, BigBirdPegasusEncoder):
    """BigBird-Pegasus's encoder."""

    config_class = LSGBigBirdPegasusConfig
    attention_projections = ("query", "key", "value")

    embedding_norm = None
    positions_take_shape = True
    attention_norm = "self_attn_layer_norm"
    final_norm = "layernorm_embedding"

    def attention_owners(self) -> Iterable[tuple[torch.nn.Module, str]]:
        """What holds each layer's self-attention, and under which name."""
        self.attend_fully()
        full = copy.copy(self.config)
        full.attention_type = "original_full"
        for layer in self.layers:
            layer.self_attn.config = full  # 4.48 asks there
        return ((layer.self_attn, "self") for layer in self.layers)


class LSGBigBirdPegasusModel(LSGBartStyleModel, BigBirdPegasusModel):
    """BigBird-Pegasus's encoder and decoder."""

    config_class = LSGBigBirdPegasusConfig
    _auto_class = "AutoModel"

    lsg_encoder = LSGBigBirdPegasusEncoder


class LSGBigBirdPegasusHead(LSGHead):
    """On BigBird-Pegasus's encoder and decoder."""

    config_class = LSGBigBirdPegasusConfig
    lsg_model = LSGBigBirdPegasusModel


class LSGBigBirdPegasusForConditionalGeneration(LSGBigBirdPegasusHead, BigBirdPegasusForConditionalGeneration):
    """Summarisation, translation and other generation."""

    _auto_class = "AutoModelForSeq2SeqLM"


class LSGBigBirdPegasusForSequenceClassification(LSGBigBirdPegasusHead, BigBirdPegasusForSequenceClassification):
    """Classification or regression of whole texts."""

    _auto_class = "AutoModelForSequenceClassification"


class LSGBigBirdPegasusForQuestionAnswering(LSGBigBirdPegasusHead, BigBirdPegasusForQuestionAnswering):
    """Extractive question answering."""

    _auto_class = "AutoModelForQuestionAnswering"


class LSGBigBirdPegasusForCausalLM(BigBirdPegasusForCausalLM):
    """The library's decoder alone, over the extended positions."""

    config_class = LSGBigBirdPegasusConfig
    _auto_class = "AutoModelForCausalLM"
