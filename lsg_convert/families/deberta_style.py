"""What DeBERTa's first and later versions share: disentangled attention, with or without absolute positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .bert_style import encoder_family
from .family import Config, Family, Head, PositionTable


def _has_table(config: Config) -> bool:
    return bool(config.get("position_biased_input", True))


def _longest_distance(config: Config) -> dict[str, Any]:
    """The library takes the number of positions for it where it is not given."""
    longest = config.get("max_relative_positions", -1)
    given = type(longest) is int and longest > 0
    return {"max_relative_positions": longest if given else config.get("max_position_embeddings", 512)}


def deberta_family(model_type: str, title: str, example: str, heads: Mapping[str, Head], **differences: Any) -> Family:
    """A family whose library code is DeBERTa's, or built like it."""
    return encoder_family(
        model_type,
        title,
        example,
        heads,
        base_prefix="deberta",
        positions=(PositionTable("embeddings.position_embeddings.weight", is_used=_has_table),),
        trained_length=("max_position_embeddings", 512),
        embedding_size="embedding_size",
        settled=_longest_distance,
        backends_without=("flex", "cpp"),
        **differences,
    )


def deberta_heads(class_prefix: str) -> dict[str, Head]:
    """The heads that both have."""
    heads = {
        "Model": Head("AutoModel"),
        "ForMaskedLM": Head("AutoModelForMaskedLM", ("cls.predictions.",)),
        "ForSequenceClassification": Head("AutoModelForSequenceClassification", ("pooler.dense.", "classifier.")),
        "ForTokenClassification": Head("AutoModelForTokenClassification", ("classifier.",)),
        "ForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("qa_outputs.",)),
    }
    return {f"{class_prefix}{name}": head for name, head in heads.items()}
