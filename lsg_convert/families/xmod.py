"""X-MOD: XLM-RoBERTa with an adapter for each language in every layer."""

from .bert_style import roberta_style_family

FAMILY = roberta_style_family("xmod", "X-MOD", "facebook/xmod-base", "Xmod")
