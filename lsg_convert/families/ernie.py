"""ERNIE: BERT with a type of task added to its embeddings."""

from .bert_style import bert_style_heads, encoder_family

FAMILY = encoder_family(
    "ernie",
    "ERNIE",
    "nghuyong/ernie-3.0-base-zh",
    bert_style_heads("Ernie", "ForCausalLM"),
    further_type_tables=("embeddings.task_type_embeddings.weight",),
)
