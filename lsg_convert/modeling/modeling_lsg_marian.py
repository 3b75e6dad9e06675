"""Marian with LSG attention in its encoder. Load with `trust_remote_code=True`; the rest is the library's."""

from transformers.models.marian.configuration_marian import MarianConfig
from transformers.models.marian.modeling_marian import (
    MarianEncoder,
    MarianForCausalLM,
    MarianModel,
    MarianMTModel,
)

from .lsg_bart_style import LSGBartStyleEncoder, LSGBartStyleModel
from .lsg_heads import LSGHead


class LSGMarianConfig(MarianConfig):
    """Marian's configuration; the LSG options are fields beside the others."""

    model_type = "lsg-marian"
    _auto_class = "AutoConfig"


class LSGMarianEncoder(LSGBartStyleEncoder, MarianEncoder):
    """Marian's encoder."""

    config_class = LSGMarianConfig

    embedding_norm = None
    positions_take_shape = True


class LSGMarianModel(LSGBartStyleModel, MarianModel):
    """Marian's encoder and decoder."""

    config_class = LSGMarianConfig
    _auto_class = "AutoModel"

    lsg_encoder = LSGMarianEncoder


class LSGMarianHead(LSGHead):
    """On Marian's encoder and decoder."""

    config_class = LSGMarianConfig
    lsg_model = LSGMarianModel


class LSGMarianMTModel(LSGMarianHead, MarianMTModel):
    """Translation."""

    _auto_class = "AutoModelForSeq2SeqLM"


class LSGMarianForCausalLM(MarianForCausalLM):
    """The library's decoder alone, over the extended positions."""

    config_class = LSGMarianConfig
    _auto_class = "AutoModelForCausalLM"
