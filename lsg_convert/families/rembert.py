"""RemBERT: embeddings narrower than the layers, and words of the output that are not those of the input."""

from typing import Any

from .bert_style import bert_style_heads, encoder_family
from .family import Config


def _untied(config: Config) -> dict[str, Any]:
    return {"tie_word_embeddings": False}


FAMILY = encoder_family(
    "rembert",
    "RemBERT",
    "google/rembert",
    bert_style_heads("RemBert", "ForCausalLM", without=("ForPreTraining", "ForNextSentencePrediction")),
    embedding_size="input_embedding_size",
    settled=_untied,
)
