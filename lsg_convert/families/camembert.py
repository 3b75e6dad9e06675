"""CamemBERT."""

from .bert_style import roberta_style_family

FAMILY = roberta_style_family(
    "camembert", "CamemBERT", "almanach/camembert-base", "Camembert", tokenizer_class="CamembertTokenizer"
)
