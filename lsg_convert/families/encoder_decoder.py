"""Encoder-decoder pairs: an encoder of any family that has no decoder, with any library decoder, in one checkpoint.

The encoder's family says how it is converted; in a pair, its names follow `encoder.` and its configuration is nested.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .family import PAIR_TYPE, Config, Family, Head, dense_model_type


def pair_families(families: Mapping[str, Family]) -> dict[str, Family]:
    """The family of the pairs with each encoder, by the name `pair_name` gives it."""
    return {_name(family.model_type): _pair(family) for family in families.values() if not family.is_seq2seq}


def pair_name(config: Config) -> str | None:
    """The name of the family of a pair's configuration, whether there is such a family or not; None for no pair."""
    if dense_model_type(config) != PAIR_TYPE:
        return None
    encoder = config.get("encoder")
    return _name(dense_model_type(encoder) if isinstance(encoder, Mapping) else "None")


def any_pair(pairs: Mapping[str, Family]) -> Family:
    """What all pairs have in common, for a list of families."""
    encoders = [pair.inner.title for pair in pairs.values() if pair.inner is not None]
    return replace(
        next(iter(pairs.values())), model_type=PAIR_TYPE, title=f"Pairs with an encoder of {', '.join(encoders)}"
    )


def _name(encoder: str) -> str:
    return f"{PAIR_TYPE}/{encoder}"


def _pair(encoder: Family) -> Family:
    return replace(
        encoder,
        model_type=_name(encoder.model_type),
        title=f"{encoder.title} encoder-decoder",
        example="patrickvonplaten/bert2bert_cnn_daily_mail",
        modeling_file="modeling_lsg_encoder_decoder",
        base_prefix="encoder",
        base_class="EncoderDecoderModel",
        heads={"EncoderDecoderModel": Head("AutoModelForSeq2SeqLM")},
        is_seq2seq=True,
        config_part="encoder",
        inner=encoder,
    )
