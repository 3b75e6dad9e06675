"""BART."""

from .bart_style import bart_style_family, bart_style_heads, two_rows

FAMILY = bart_style_family(
    "bart",
    "BART",
    "facebook/bart-base",
    bart_style_heads("Bart"),
    rows_before_positions=two_rows,
    tokenizer_class="BartTokenizer",
)
