"""mBART, mBART-50 (inputs open with a word, or a language) and BARThez (inputs open with BOS)."""

from .bart_style import bart_style_family, bart_style_heads, two_rows

FAMILY = bart_style_family(
    "mbart",
    "mBART, mBART-50, BARThez",
    "facebook/mbart-large-cc25",
    bart_style_heads("MBart"),
    rows_before_positions=two_rows,
    opens_with_bos=False,
    bos_tokenizers=("BarthezTokenizer",),
)
