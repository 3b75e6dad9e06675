"""XLM-RoBERTa."""

from .bert_style import roberta_style_family

FAMILY = roberta_style_family(
    "xlm-roberta", "XLM-RoBERTa", "FacebookAI/xlm-roberta-base", "XLMRoberta", tokenizer_class="XLMRobertaTokenizer"
)
