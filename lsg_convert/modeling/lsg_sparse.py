"""Sparse tokens, and what they are selected from."""

from typing import NamedTuple

import torch
from torch import Tensor

from .lsg_windows import AttentionPlan


class SparseTokens(NamedTuple):
    """The sparse tokens of one layer.

    key, value: [B, H, S, D]. keep: bool, broadcastable to [B, H, S], or None when every one may be attended to.
    position: long, the position of each among the tokens: [S] or [H, S], or [B, H, S] if it depends on the data.
    may_be_empty: whether some may be masked though no token is.
    """

    key: Tensor
    value: Tensor
    keep: Tensor | None
    position: Tensor
    may_be_empty: bool = False


class Projections(NamedTuple):
    """What a selection selects from: query, key and value [B, G + T, H, D] of a layer, and the factor on query-key
    products.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    plan: AttentionPlan
    scale: float

    def tokens(self, part: Tensor) -> Tensor:
        """[B, G + T, H, ...] without the globals."""
        return part[:, self.plan.num_globals :]


def segment_sums(tokens: Tensor, factor: int, share: Tensor | None = None) -> Tensor:
    """Sums [B, T / f, H, D] over segments of tokens [B, T, H, D], weighted by share [B or 1, T / f, f, H or 1].

    One addition after the other over strided views: many times faster than a reduction over so short a dimension.
    """
    parts = tokens.unflatten(1, (-1, factor)).unbind(2)
    dtype = torch.promote_types(tokens.dtype, torch.float32)
    if share is None:
        total = parts[0].to(dtype)
        for part in parts[1:]:
            total = total + part
    else:
        shares = share[..., None].unbind(2)
        total = parts[0] * shares[0].to(dtype)
        for part, weight in zip(parts[1:], shares[1:], strict=True):
            total = (
                torch.addcmul(total, part, weight.to(dtype)) if part.dtype == dtype else total + part * weight.to(dtype)
            )
    return total.to(tokens.dtype)


def round_positions(mean: Tensor, length: int, per_segment: int = 1) -> Tensor:
    """Positions, long [B, H, S], of sparse tokens whose mean offsets in their segments are ``mean`` [B, H, S]."""
    index = torch.arange(mean.shape[-1], device=mean.device)
    return index // per_segment * length + (mean + 0.5).floor().long()
