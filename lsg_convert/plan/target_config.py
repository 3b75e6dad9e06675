"""The configuration of the converted model: the source's, with what LSG adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lsg_convert.families import Family, dense_model_type
from lsg_convert.modeling.lsg_options import LSGOptions
from lsg_convert.plan.foreign_keys import without_foreign_keys


def target_config(
    config: dict[str, Any],
    family: Family,
    architecture: str,
    lsg: LSGOptions,
    max_len: int,
    dtype: str,
    rope: Mapping[str, Any],
) -> dict[str, Any]:
    """The source's config with the LSG fields, our classes, a `model_type` of our own, and the new length.

    rope: fields of the encoder's configuration that rotary positions of other frequencies change.

    Configurations inside it (a pair's) keep the library's: only our own code reads them.
    """
    target = _library_types(without_foreign_keys(config))
    target["model_type"] = family.lsg_model_type
    target |= {f"lsg_{name}" if name in family.own_fields else name: value for name, value in asdict(lsg).items()}
    target["architectures"] = [family.lsg_class(architecture)]
    target["auto_map"] = family.auto_map()
    if target.get("tie_encoder_decoder"):
        target["tie_encoder_decoder"] = False  # the encoder's positions are no longer the decoder's
    encoder = target if family.config_part is None else target[family.config_part]
    # What a config that does not say means; 5.0.0 knows no default for some families, and ties nothing then.
    encoder.setdefault("tie_word_embeddings", True)
    encoder.update(rope)
    encoder.update(family.settled(encoder))
    if family.positions_of(encoder):
        encoder[family.positions_field] = max_len + family.config_positions_offset(encoder)
    else:
        encoder[family.trained_length[0]] = max_len
    if dtype != "keep":
        for part in (target, *(value for value in target.values() if isinstance(value, dict))):
            for key in {"torch_dtype", "dtype"} & part.keys():
                part[key] = dtype
        if "torch_dtype" not in target and "dtype" not in target:
            target["torch_dtype"] = dtype
    return target


def _library_types(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with the library's `model_type` wherever it has ours, nested ones too."""
    kept = {key: _library_types(value) if isinstance(value, dict) else value for key, value in config.items()}
    return kept | ({"model_type": dense_model_type(config)} if "model_type" in config else {})
