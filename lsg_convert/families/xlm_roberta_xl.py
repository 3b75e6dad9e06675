"""XLM-RoBERTa-XL."""

from .bert_style import roberta_style_family

FAMILY = roberta_style_family("xlm-roberta-xl", "XLM-RoBERTa-XL", "facebook/xlm-roberta-xl", "XLMRobertaXL")
