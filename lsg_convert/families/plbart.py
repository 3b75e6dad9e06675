"""PLBart: inputs without BOS, the language behind them."""

from .bart_style import bart_style_family, bart_style_heads, two_rows

FAMILY = bart_style_family(
    "plbart",
    "PLBart",
    "uclanlp/plbart-base",
    bart_style_heads("PLBart", "ForQuestionAnswering"),
    rows_before_positions=two_rows,
    opens_with_bos=False,
)
