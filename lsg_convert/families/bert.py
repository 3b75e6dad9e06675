"""BERT."""

from .bert_style import bert_style_family

FAMILY = bert_style_family("bert", "BERT", "google-bert/bert-base-uncased", "Bert", causal_head="BertLMHeadModel")
