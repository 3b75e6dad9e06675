"""Pegasus: sinusoidal positions, inputs without BOS."""

from .bart_style import bart_style_family, bart_style_heads

FAMILY = bart_style_family(
    "pegasus",
    "Pegasus",
    "google/pegasus-large",
    bart_style_heads("Pegasus", "ForSequenceClassification", "ForQuestionAnswering"),
    sinusoid="by_width",
    opens_with_bos=False,
)
