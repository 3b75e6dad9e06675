"""The table of families. A family is one file here, one modeling file, and one name in this table."""

from __future__ import annotations

from . import (
    albert,
    bart,
    bert,
    bert_generation,
    big_bird,
    bigbird_pegasus,
    blenderbot,
    blenderbot_small,
    camembert,
    data2vec_text,
    deberta,
    deberta_v2,
    distilbert,
    electra,
    encoder_decoder,
    ernie,
    esm,
    flaubert,
    led,
    longformer,
    m2m_100,
    marian,
    mbart,
    megatron_bert,
    modernbert,
    mpnet,
    mt5,
    pegasus,
    plbart,
    rembert,
    roberta,
    roberta_prelayernorm,
    t5,
    umt5,
    xlm,
    xlm_roberta,
    xlm_roberta_xl,
    xmod,
)
from .family import Config, Family, Head, PositionTable, dense_model_type, library_model_type

_MODULES = (
    bert,
    roberta,
    camembert,
    xlm_roberta,
    distilbert,
    albert,
    electra,
    bart,
    mbart,
    pegasus,
    t5,
    mt5,
    umt5,
    mpnet,
    bert_generation,
    xlm_roberta_xl,
    roberta_prelayernorm,
    data2vec_text,
    ernie,
    marian,
    m2m_100,
    blenderbot,
    blenderbot_small,
    plbart,
    longformer,
    led,
    big_bird,
    bigbird_pegasus,
    deberta_v2,
    deberta,
    modernbert,
    esm,
    megatron_bert,
    rembert,
    xmod,
    flaubert,
    xlm,
)

FAMILIES: dict[str, Family] = {module.FAMILY.model_type: module.FAMILY for module in _MODULES}
PAIRS: dict[str, Family] = encoder_decoder.pair_families(FAMILIES)


def family_named(name: str) -> Family | None:
    """The family that a record names."""
    return FAMILIES.get(name) or PAIRS.get(name)


def family_of(config: Config) -> Family | None:
    """The family of a checkpoint's configuration."""
    return family_named(encoder_decoder.pair_name(config) or dense_model_type(config))


def listed_families() -> list[Family]:
    """Every family, and one entry for all pairs."""
    return [*FAMILIES.values(), encoder_decoder.any_pair(PAIRS)]


__all__ = [
    "FAMILIES",
    "PAIRS",
    "Config",
    "Family",
    "Head",
    "PositionTable",
    "dense_model_type",
    "family_named",
    "family_of",
    "library_model_type",
    "listed_families",
]
