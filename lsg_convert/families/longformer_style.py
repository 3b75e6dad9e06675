"""What Longformer and LED share: sliding attention of their own, and options with which it stays what it is."""

from __future__ import annotations

from typing import Any

from .family import Config


def longformer_options(config: Config, num_layers: str) -> dict[str, Any]:
    """The LSG options with which a converted model attends as its source does."""
    window = config.get("attention_window", 512)
    return {
        "local_attention": "sliding",
        "attention_window": window if isinstance(window, list) else [window] * config[num_layers],
        "sparsity_type": "none",
        "num_global_tokens": 0,
        "mask_first_token": False,
        "pool_with_global": False,
    }
