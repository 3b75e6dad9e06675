"""BigBird: BERT, with attention that reaches far already."""

from __future__ import annotations

from math import sqrt

from .bert_style import bert_style_heads, encoder_family
from .big_bird_style import end_blocks
from .family import Config, Head


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
