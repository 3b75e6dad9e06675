"""The cache of a library decoder as plain tensors, and back: keys and values [batch, heads, length, width] by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor


def make_cache(tensors: Sequence[Tensor]) -> Any:
    """A cache of (own key, own value, encoder's key, encoder's value) of every layer, one layer behind the other."""
    from transformers.cache_utils import DynamicCache, EncoderDecoderCache

    own, cross = DynamicCache(), DynamicCache()
    for layer in range(len(tensors) // 4):
        first = 4 * layer
        own.update(tensors[first], tensors[first + 1], layer)
        cross.update(tensors[first + 2], tensors[first + 3], layer)
    return EncoderDecoderCache(own, cross)


def flat_cache(cache: Any, with_cross: bool) -> list[Tensor]:
    """The opposite of `make_cache`; without what comes from the encoder, if that is not wanted."""
    kinds = [cache.self_attention_cache, *([cache.cross_attention_cache] if with_cross else [])]
    layers = zip(*(_layers(kind) for kind in kinds), strict=True)
    return [tensor for layer in layers for pair in layer for tensor in pair]


def _layers(cache: Any) -> list[tuple[Tensor, Tensor]]:
    if hasattr(cache, "layers"):
        return [(layer.keys, layer.values) for layer in cache.layers]
    return list(zip(cache.key_cache, cache.value_cache, strict=True))  # before 4.54
