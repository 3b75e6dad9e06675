"""The table of families. A family is one file here, one modeling file, and one name in this table."""

from __future__ import annotations

from . import bart, bert, camembert, roberta, xlm_roberta
from .family import Family, Head, PositionTable

FAMILIES: dict[str, Family] = {
    module.FAMILY.model_type: module.FAMILY for module in (bert, roberta, camembert, xlm_roberta, bart)
}

__all__ = ["FAMILIES", "Family", "Head", "PositionTable"]
