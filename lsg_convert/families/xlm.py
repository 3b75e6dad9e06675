"""XLM, trained to fill masks (mlm), on translations too (tlm); those trained to look back (clm) cannot be converted."""

from .xlm_style import xlm_family

FAMILY = xlm_family("xlm", "XLM", "FacebookAI/xlm-mlm-en-2048", "XLM")
