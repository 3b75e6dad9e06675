"""Blenderbot: inputs without BOS."""

from .bart_style import bart_style_family, bart_style_heads

FAMILY = bart_style_family(
    "blenderbot",
    "Blenderbot",
    "facebook/blenderbot-400M-distill",
    bart_style_heads("Blenderbot", "ForSequenceClassification", "ForQuestionAnswering"),
    opens_with_bos=False,
)
