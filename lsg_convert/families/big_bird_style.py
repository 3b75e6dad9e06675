"""What BigBird and BigBird-Pegasus share: attention that reaches far already."""

from __future__ import annotations

from typing import Any

from .family import Config


def end_blocks(config: Config, architecture: str) -> dict[str, Any]:
    """Its block-sparse attention as LSG options; none where it is full: it is then converted as BERT is."""
    if config.get("attention_type", "block_sparse") != "block_sparse":
        return {}
    return {
        "automatic_globals": "ends",
        "block_size": config.get("block_size", 64),
        "num_random_blocks": config.get("num_random_blocks", 3),
        "sparsity_type": "none",
        "num_global_tokens": 0,
        "mask_first_token": False,
        "pool_with_global": False,
    }
