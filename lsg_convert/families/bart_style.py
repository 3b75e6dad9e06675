"""What BART and the encoder-decoder families built like it share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any

from .family import Config, Family, Head, PositionTable


def two_rows(config: Config) -> int:
    """BART's position tables have two unused rows in front."""
    return 2


def scaled_by_width(config: Config) -> float:
    """Word embeddings are multiplied by √d_model where the configuration says so."""
    return sqrt(config["d_model"]) if config.get("scale_embedding", False) else 1.0


def bart_style_heads(class_prefix: str, *without: str) -> dict[str, Head]:
    """BART's heads under another family's name, less those that the family lacks."""
    heads = {
        "Model": Head("AutoModel"),
        "ForConditionalGeneration": Head("AutoModelForSeq2SeqLM", ("final_logits_bias", "lm_head.")),
        "ForSequenceClassification": Head("AutoModelForSequenceClassification", ("classification_head.",)),
        "ForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("qa_outputs.",)),
        "ForCausalLM": Head("AutoModelForCausalLM"),
    }
    return {f"{class_prefix}{name}": head for name, head in heads.items() if name not in without}


def bart_style_family(
    model_type: str,
    title: str,
    example: str,
    heads: Mapping[str, Head],
    *,
    rows_before_positions: Callable[[Config], int] = lambda config: 0,
    sinusoid: str | None = None,
    **differences: Any,
) -> Family:
    """A family whose library code is BART's with few differences. The first head is the base model."""
    # Encoder and decoder share `max_position_embeddings`, so both tables grow.
    tables = ("encoder.embed_positions.weight", "decoder.embed_positions.weight")
    usual = {
        "base_prefix": "model",
        "positions": tuple(PositionTable(table, rows_before_positions, sinusoid) for table in tables),
        "word_scale": scaled_by_width,
    }
    return Family(
        model_type=model_type,
        title=title,
        example=example,
        modeling_file=f"modeling_lsg_{model_type.replace('-', '_')}",
        base_class=next(iter(heads)),
        heads=heads,
        word_embeddings=("shared.weight", "encoder.embed_tokens.weight"),
        global_embeddings="encoder.global_embeddings.weight",
        num_layers="encoder_layers",
        layers="encoder.layers",
        hidden_size="d_model",
        num_heads="encoder_attention_heads",
        is_seq2seq=True,
        tied_head_tensors=("lm_head.", "final_logits_bias"),
        **{**usual, **differences},
    )
