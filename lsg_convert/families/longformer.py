"""Longformer."""

from __future__ import annotations

from typing import Any

from .bert_style import roberta_style_family
from .family import Config
from .longformer_style import longformer_options

# What the library's heads make global, if they are given no mask.
_AUTOMATIC_GLOBALS = {
    "LongformerForQuestionAnswering": "question",
    "LongformerForMultipleChoice": "choice",
    "LongformerForSequenceClassification": "first",
}


def _source_options(config: Config, architecture: str) -> dict[str, Any]:
    return {
        **longformer_options(config, "num_hidden_layers"),
        "automatic_globals": _AUTOMATIC_GLOBALS.get(architecture, "none"),
        "separator_token_id": config.get("sep_token_id", 2),
        "num_separators": 3,
    }


FAMILY = roberta_style_family(
    "longformer",
    "Longformer",
    "allenai/longformer-base-4096",
    "Longformer",
    "longformer",
    without=("ForCausalLM",),
    tokenizer_class="RobertaTokenizer",
    source_options=_source_options,
    modules=("lsg_sliding",),
)
