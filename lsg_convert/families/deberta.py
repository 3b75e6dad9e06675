"""DeBERTa, its first version."""

from __future__ import annotations

from .deberta_style import deberta_family, deberta_heads
from .family import Config


def _obstacle(config: Config) -> str | None:
    if config.get("talking_head"):
        return "its heads mix their scores (talking_head), which needs the scores of all heads at once"
    return None


FAMILY = deberta_family("deberta", "DeBERTa", "microsoft/deberta-base", deberta_heads("Deberta"), obstacle=_obstacle)
