"""What Longformer and LED share: sliding attention of their own, and options with which it stays what it is."""

from __future__ import annotations

from typing import Any

from .family import MOST_LAYERS, Config

_DEFAULT_LAYERS = 12  # the library's, where a config names none


def longformer_options(config: Config, num_layers: str) -> dict[str, Any]:
    """The LSG options with which a converted model attends as its source does."""
    window, layers = config.get("attention_window", 512), config.get(num_layers, _DEFAULT_LAYERS)
    known = type(layers) is int and 0 < layers <= MOST_LAYERS
    return {
        "local_attention": "sliding",
        "attention_window": window if isinstance(window, list) else [window] * (layers if known else 1),
        "sparsity_type": "none",
        "num_global_tokens": 0,
        "mask_first_token": False,
        "pool_with_global": False,
    }
