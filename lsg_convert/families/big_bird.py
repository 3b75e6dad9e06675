"""BigBird: BERT, with attention that reaches far already."""

from __future__ import annotations

from math import sqrt
from typing import Any

from .bert_style import bert_style_heads, encoder_family
from .family import Config, Head


def end_blocks(config: Config, architecture: str) -> dict[str, Any]:
    """Its block-sparse attention as LSG options; none where it is full: it is then converted as BERT is."""
    if config.get("attention_type", "block_sparse") != "block_sparse":
        return {}
    return {
        "automatic_globals": "ends",
        "block_size": config.get("block_size", 64),
        "num_random_blocks": config.get("num_random_blocks", 3),
        "sparsity_type": "none",
        "num_global_tokens": 0,
        "mask_first_token": False,
        "pool_with_global": False,
    }


def _scaled_by_width(config: Config) -> float:
    return sqrt(config["hidden_size"]) if config.get("rescale_embeddings", False) else 1.0


_HEADS = bert_style_heads("BigBird", "ForCausalLM") | {
    "BigBirdForSequenceClassification": Head(
        "AutoModelForSequenceClassification", ("classifier.dense.", "classifier.out_proj.")
    ),
    "BigBirdForTokenClassification": Head("AutoModelForTokenClassification", ("classifier.weight", "classifier.bias")),
    "BigBirdForQuestionAnswering": Head("AutoModelForQuestionAnswering", ("qa_classifier.",)),
}
del _HEADS["BigBirdForNextSentencePrediction"]

FAMILY = encoder_family(
    "big_bird",
    "BigBird",
    "google/bigbird-roberta-base",
    _HEADS,
    base_prefix="bert",
    tokenizer_class="BigBirdTokenizer",
    word_scale=_scaled_by_width,
    source_options=end_blocks,
    knows_global_ends=True,
)
