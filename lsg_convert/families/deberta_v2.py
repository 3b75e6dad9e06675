"""DeBERTa-v2 and DeBERTa-v3, which differ in their weights alone."""

from .deberta_style import deberta_family, deberta_heads
from .family import Head

FAMILY = deberta_family(
    "deberta-v2",
    "DeBERTa-v2 and -v3",
    "microsoft/deberta-v3-base",
    deberta_heads("DebertaV2")
    | {"DebertaV2ForMultipleChoice": Head("AutoModelForMultipleChoice", ("pooler.dense.", "classifier."))},
)
