"""mT5."""

from .t5_style import t5_style_family

FAMILY = t5_style_family("mt5", "mT5", "google/mt5-base", "MT5")
