"""Pegasus with LSG attention in its encoder. Load with `trust_remote_code=True`; the rest is the library's."""

from transformers.models.pegasus.configuration_pegasus import PegasusConfig
from transformers.models.pegasus.modeling_pegasus import (
    PegasusEncoder,
    PegasusForCausalLM,
    PegasusForConditionalGeneration,
    PegasusModel,
)

from .lsg_bart_style import LSGBartStyleEncoder, LSGBartStyleModel
from .lsg_heads import LSGHead


class LSGPegasusConfig(PegasusConfig):
    """Pegasus's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-pegasus"
    _auto_class = "AutoConfig"


class LSGPegasusEncoder(LSGBartStyleEncoder, PegasusEncoder):
    """Pegasus's encoder."""

    config_class = LSGPegasusConfig

    embedding_norm = None
    positions_take_shape = True
    attention_norm = "self_attn_layer_norm"
    final_norm = "layer_norm"


class LSGPegasusModel(LSGBartStyleModel, PegasusModel):
    """Pegasus's encoder and decoder."""

    config_class = LSGPegasusConfig
    _auto_class = "AutoModel"

    lsg_encoder = LSGPegasusEncoder


class LSGPegasusHead(LSGHead):
    """On Pegasus's encoder and decoder."""

    config_class = LSGPegasusConfig
    lsg_model = LSGPegasusModel


class LSGPegasusForConditionalGeneration(LSGPegasusHead, PegasusForConditionalGeneration):
    """Summarisation, translation and other generation."""

    _auto_class = "AutoModelForSeq2SeqLM"


class LSGPegasusForCausalLM(PegasusForCausalLM):
    """The library's decoder alone, over the extended positions."""

    config_class = LSGPegasusConfig
    _auto_class = "AutoModelForCausalLM"
