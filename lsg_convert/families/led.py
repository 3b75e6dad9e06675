"""LED."""

from __future__ import annotations

from .bart_style import bart_style_family, bart_style_heads
from .family import PositionTable
from .longformer_style import longformer_options

FAMILY = bart_style_family(
    "led",
    "LED",
    "allenai/led-base-16384",
    bart_style_heads("LED", "ForSequenceClassification", "ForCausalLM"),
    base_prefix="led",
    # Encoder and decoder have lengths of their own; the decoder keeps its.
    positions=(PositionTable("encoder.embed_positions.weight"),),
    positions_field="max_encoder_position_embeddings",
    word_scale=lambda config: 1.0,
    modules=("lsg_sliding",),
    source_options=lambda config, _: longformer_options(config, "encoder_layers"),
)
