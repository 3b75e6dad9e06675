"""BigBird-Pegasus: BigBird's attention in the encoder, learned positions, inputs without BOS."""

from __future__ import annotations

from math import sqrt

from .bart_style import bart_style_family, bart_style_heads
from .big_bird_style import end_blocks
from .family import Config


def _scaled_by_width(config: Config) -> float:
    return sqrt(config["d_model"]) if config.get("scale_embedding", True) else 1.0


FAMILY = bart_style_family(
    "bigbird_pegasus",
    "BigBird-Pegasus",
    "google/bigbird-pegasus-large-arxiv",
    bart_style_heads("BigBirdPegasus"),
    opens_with_bos=False,
    word_scale=_scaled_by_width,
    source_options=end_blocks,
    knows_global_ends=True,
)
