"""FlauBERT."""

from .xlm_style import xlm_family

FAMILY = xlm_family("flaubert", "FlauBERT", "flaubert/flaubert_base_cased", "Flaubert")
