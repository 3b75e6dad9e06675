"""RoBERTa."""

from .bert_style import roberta_style_family

FAMILY = roberta_style_family(
    "roberta", "RoBERTa", "FacebookAI/roberta-base", "Roberta", tokenizer_class="RobertaTokenizer"
)
