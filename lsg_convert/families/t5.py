"""T5, and T5 v1.1 with its gated layers."""

from .t5_style import t5_style_family

FAMILY = t5_style_family("t5", "T5", "google-t5/t5-base", "T5")
