"""Data2VecText."""

from .bert_style import roberta_style_family

FAMILY = roberta_style_family(
    "data2vec-text", "Data2VecText", "facebook/data2vec-text-base", "Data2VecText", base_prefix="data2vec_text"
)
