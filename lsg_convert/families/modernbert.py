"""ModernBERT: some layers see all tokens, which become LSG's; the others see near tokens, and stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .bert_style import encoder_family
from .family import Config, Head, Rope

_FULL, _LOCAL = "full_attention", "sliding_attention"
# What a configuration means that does not say; and how releases before 5 call the angles' base of each kind of layer.
_THETA = {_FULL: ("global_rope_theta", 160_000.0), _LOCAL: ("local_rope_theta", 10_000.0)}
_EVERY, _WINDOW = ("global_attn_every_n_layers", 3), ("local_attention", 128)
_KNOWN_TYPES = ("default", "linear", "yarn")


def _layer_types(config: Config) -> list[str]:
    every = config.get(*_EVERY)
    given = config.get("layer_types")
    return list(given or [_LOCAL if i % every else _FULL for i in range(config["num_hidden_layers"])])


def _rope(config: Config, kind: str) -> dict[str, Any]:
    """The rope parameters of a kind of layer; before 5.0, local layers without a base of their own have the others'."""
    field, usual = _THETA[kind]
    theta = config.get(field, usual)
    if theta is None:
        theta = config.get(*_THETA[_FULL])
    return {"rope_type": "default", "rope_theta": theta, **((config.get("rope_parameters") or {}).get(kind) or {})}


def _with_rope(config: Config, rope: Mapping[str, Any]) -> dict[str, Any]:
    return {"rope_parameters": {_FULL: dict(rope), _LOCAL: _rope(config, _LOCAL)}}


def _settled(config: Config) -> dict[str, Any]:
    """Written as all releases read it: what layers are, and how they turn queries and keys."""
    ropes = {kind: _rope(config, kind) for kind in _THETA}
    return {
        "layer_types": _layer_types(config),
        "rope_parameters": ropes,
        **{field: ropes[kind]["rope_theta"] for kind, (field, _) in _THETA.items()},
        _WINDOW[0]: config.get(*_WINDOW),
        "reference_compile": False,
    }


def _local_layers(config: Config) -> dict[int, int]:
    half_window = config.get(*_WINDOW) // 2
    return {number: half_window for number, kind in enumerate(_layer_types(config)) if kind == _LOCAL}


def _obstacle(config: Config) -> str | None:
    unknown = {*_layer_types(config)} - {*_THETA}
    if unknown:
        return f"some of its layers are {', '.join(sorted(map(str, unknown)))}, which is not known here (layer_types)"
    scaling = config.get("rope_scaling") or {}
    types = [_rope(config, kind)["rope_type"] for kind in _THETA] + [scaling.get("rope_type", scaling.get("type"))]
    unknown = {name for name in types if name is not None} - {*_KNOWN_TYPES}
    if unknown or types[-1] not in (None, "default"):
        return f"its rotary positions are of another kind than {', '.join(_KNOWN_TYPES)} (rope_parameters)"
    return None


_HEADS = {
    "Model": Head("AutoModel"),
    "ForMaskedLM": Head("AutoModelForMaskedLM", ("head.", "decoder.")),
    "ForSequenceClassification": Head("AutoModelForSequenceClassification", ("head.", "classifier.")),
    "ForTokenClassification": Head("AutoModelForTokenClassification", ("head.", "classifier.")),
    "ForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("head.", "classifier.")),
    "ForMultipleChoice": Head("AutoModelForMultipleChoice", ("head.", "classifier.")),
}

FAMILY = encoder_family(
    "modernbert",
    "ModernBERT",
    "answerdotai/ModernBERT-base",
    {f"ModernBert{name}": head for name, head in _HEADS.items()},
    base_prefix="model",
    layers="layers",
    word_embeddings=("embeddings.tok_embeddings.weight",),
    positions=(),
    type_tables=(),
    obsolete_tensors=(),
    tokenizer_class="PreTrainedTokenizer",
    trained_length=("max_position_embeddings", 8192),
    rotary=True,
    rope=Rope(
        lambda config: _rope(config, _FULL),
        _with_rope,
        lambda config: config["hidden_size"] // config["num_attention_heads"],
    ),
    local_layers=_local_layers,
    own_fields=("local_attention",),
    settled=_settled,
    obstacle=_obstacle,
    modules=("lsg_sliding",),
)
