"""UMT5: mT5 with a bias in every layer."""

from .t5_style import t5_style_family

FAMILY = t5_style_family("umt5", "UMT5", "google/umt5-base", "UMT5")
