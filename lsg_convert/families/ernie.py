"""ERNIE: BERT with a type of task added to its embeddings."""

from .bert_style import bert_style_family

FAMILY = bert_style_family(
    "ernie",
    "ERNIE",
    "nghuyong/ernie-3.0-base-zh",
    "Ernie",
    causal_head="ErnieForCausalLM",
    further_type_tables=("embeddings.task_type_embeddings.weight",),
)
