"""What BART and the encoder-decoder families built like it share."""

from __future__ import annotations

from math import sqrt

from .family import Config


def two_rows(config: Config) -> int:
    """BART's position tables have two unused rows in front."""
    return 2


def scaled_by_width(config: Config) -> float:
    """Word embeddings are multiplied by √d_model where the configuration says so."""
    return sqrt(config["d_model"]) if config.get("scale_embedding", False) else 1.0
