"""ESM: models of proteins, with rotary (ESM-2) or absolute positions (ESM-1b)."""

from __future__ import annotations

from .bert_style import after_padding_row, encoder_family
from .family import Config, Head, PositionTable


def _has_table(config: Config) -> bool:
    return config.get("position_embedding_type", "absolute") == "absolute"


def _obstacle(config: Config) -> str | None:
    if config.get("is_folding_model"):
        return "it folds proteins, with attention weights that LSG attention does not form (is_folding_model)"
    kind = config.get("position_embedding_type", "absolute")
    if kind not in ("absolute", "rotary"):
        return f"its positions are neither rotary nor absolute (position_embedding_type={kind!r})"
    return None


def _names_here(name: str, config: Config) -> tuple[str, ...]:
    """Frequencies are in every layer, as published; newer releases have them once, and may save them for layer `*`."""
    of_layer = "encoder.layer.{}.attention.self.rotary_embeddings.inv_freq"
    if name not in ("rotary_embeddings.inv_freq", of_layer.format("*")):
        return (name,)
    return tuple(of_layer.format(number) for number in range(config["num_hidden_layers"]))


FAMILY = encoder_family(
    "esm",
    "ESM",
    "facebook/esm2_t33_650M_UR50D",
    {
        "EsmModel": Head("AutoModel"),
        "EsmForMaskedLM": Head("AutoModelForMaskedLM", ("lm_head.",)),
        "EsmForSequenceClassification": Head(
            "AutoModelForSequenceClassification", ("classifier.dense.", "classifier.out_proj.")
        ),
        "EsmForTokenClassification": Head("AutoModelForTokenClassification", ("classifier.weight", "classifier.bias")),
    },
    positions=(PositionTable("embeddings.position_embeddings.weight", after_padding_row, is_used=_has_table),),
    config_positions_offset=after_padding_row,
    type_tables=(),
    trained_length=("max_position_embeddings", 1026),
    rotary=True,
    obstacle=_obstacle,
    names_here=_names_here,
)
