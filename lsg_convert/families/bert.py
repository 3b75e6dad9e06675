"""BERT."""

from .bert_style import bert_style_heads, encoder_family

FAMILY = encoder_family(
    "bert",
    "BERT",
    "google-bert/bert-base-uncased",
    bert_style_heads("Bert", "LMHeadModel"),
    tokenizer_class="BertTokenizer",
)
