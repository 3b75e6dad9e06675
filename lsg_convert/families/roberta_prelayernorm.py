"""RoBERTa-PreLayerNorm."""

from .bert_style import roberta_style_family

FAMILY = roberta_style_family(
    "roberta-prelayernorm",
    "RoBERTa-PreLayerNorm",
    "andreasmadsen/efficient_mlm_m0.40",
    "RobertaPreLayerNorm",
    base_prefix="roberta_prelayernorm",
)
