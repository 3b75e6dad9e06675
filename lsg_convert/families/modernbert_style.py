"""What configurations like ModernBERT's say: which layers see all tokens, how positions turn queries and keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .family import Config

FULL, LOCAL = "full_attention", "sliding_attention"
# What a configuration means that does not say; and how releases before 5 call the angles' base of each kind of layer.
_THETA = {FULL: ("global_rope_theta", 160_000.0), LOCAL: ("local_rope_theta", 10_000.0)}
_EVERY, _WINDOW = ("global_attn_every_n_layers", 3), ("local_attention", 128)
# The kinds of rotation that are computed here, and the numbers that each needs.
_FIELDS = {
    "default": ("rope_theta",),
    "linear": ("rope_theta", "factor"),
    "yarn": ("rope_theta", "factor", "original_max_position_embeddings"),
}


def _layer_types(config: Config) -> list[str]:
    every = config.get(*_EVERY)
    given = config.get("layer_types")
    return list(given or [LOCAL if i % every else FULL for i in range(config["num_hidden_layers"])])


def rope(config: Config, kind: str) -> dict[str, Any]:
    """The rope parameters of a kind of layer; before 5.0, local layers without a base of their own have the others'."""
    field, usual = _THETA[kind]
    theta = config.get(field, usual)
    if theta is None:
        theta = config.get(*_THETA[FULL])
    return {"rope_type": "default", "rope_theta": theta, **((config.get("rope_parameters") or {}).get(kind) or {})}


def with_rope(config: Config, of_full_layers: Mapping[str, Any]) -> dict[str, Any]:
    """The field of a configuration whose layers that see all tokens have these rope parameters."""
    return {"rope_parameters": {FULL: dict(of_full_layers), LOCAL: rope(config, LOCAL)}}


def settled(config: Config) -> dict[str, Any]:
    """Written as all releases read it: what layers are, and how they turn queries and keys."""
    ropes = {kind: rope(config, kind) for kind in _THETA}
    return {
        "layer_types": _layer_types(config),
        "rope_parameters": ropes,
        **{field: ropes[kind]["rope_theta"] for kind, (field, _) in _THETA.items()},
        _WINDOW[0]: config.get(*_WINDOW),
        "reference_compile": False,
    }


def local_layers(config: Config) -> dict[int, int]:
    """The layers that see near tokens only, and how many on each side."""
    half_window = config.get(*_WINDOW) // 2
    return {number: half_window for number, kind in enumerate(_layer_types(config)) if kind == LOCAL}


def obstacle(config: Config) -> str | None:
    """Why a model of this configuration cannot be converted: what it says is not known here, or makes no sense."""
    for field, usual in (_EVERY, _WINDOW):
        if not _is_number(config.get(field, usual), int, 1):
            return f"{field} in its config.json is no number above 0"
    given = config.get("layer_types")
    if given is not None and (not isinstance(given, list) or len(given) != config["num_hidden_layers"]):
        return "layer_types in its config.json does not name the kind of each layer"
    unknown = {str(kind) for kind in _layer_types(config)} - {*_THETA}
    if unknown:
        return f"some of its layers are {', '.join(sorted(unknown))}, which is not known here (layer_types)"
    ropes = config.get("rope_parameters") or {}
    if not isinstance(ropes, Mapping) or not all(isinstance(each, Mapping) for each in ropes.values() if each):
        return "rope_parameters in its config.json has no fields for each kind of layer"
    scaling = config.get("rope_scaling") or {}
    is_scaled = not isinstance(scaling, Mapping) or scaling.get("rope_type", scaling.get("type")) not in (
        None,
        "default",
    )
    if is_scaled or not all(_is_known(rope(config, kind)) for kind in _THETA):
        return f"its rotary positions are of another kind than {', '.join(_FIELDS)} (rope_parameters)"
    return None


def _is_known(parameters: Mapping[str, Any]) -> bool:
    """Whether rope parameters are of a kind that is computed here, with the numbers that it needs."""
    fields = _FIELDS.get(str(parameters["rope_type"]))
    return fields is not None and all(_is_number(parameters.get(field), (int, float), 1) for field in fields)


def _is_number(value: Any, kinds: Any, least: int) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool) and least <= value < 2**40
