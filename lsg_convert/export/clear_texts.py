"""Texts in which rounding decides nothing.

`norm` and `lsh` choose keys by comparing numbers. Where two are equal but for rounding, PyTorch and onnxruntime may
choose different ones, both rightly, and outputs differ by much more than rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from lsg_convert.export.parts import Texts
from lsg_convert.modeling.lsg_options import LSGOptions
from lsg_convert.verification.compute import encoder_of
from lsg_convert.verification.kernel_parity import lsg_layers
from lsg_convert.verification.oracle_selection import tied_runs
from lsg_convert.verification.reach import chooses

_TRIES = 8
_MANY = 4  # ties in one text: others will have some too
_NEXT = 10_000  # seeds between two tries


class ClearTexts:
    """Makes texts for a model, and remembers them."""

    def __init__(self, texts: Texts, model: Any) -> None:
        self._texts, self._model = texts, model
        options = LSGOptions.from_config(getattr(model.config, "encoder", model.config))
        self._has_choices = chooses(options)
        self._dense_limit = options.dense_limit
        self._made: dict[tuple[int, int], tuple[dict[str, torch.Tensor], int]] = {}

    def make(self, batch: int, length: int) -> tuple[dict[str, torch.Tensor], int]:
        """The inputs of `batch` texts, and how many choices of keys are left that rounding decides."""
        if (batch, length) not in self._made:
            self._made[batch, length] = self._search(batch, length)
        return self._made[batch, length]

    def _search(self, batch: int, length: int) -> tuple[dict[str, torch.Tensor], int]:
        found = self._texts.make(batch, length, seed=length)
        if not self._has_choices or length <= self._dense_limit:
            return found, 0
        left = self._ties(found, batch)
        for number in range(1, _TRIES):
            if not bool(left.any()) or int(left[left > 0].min()) >= _MANY:
                break
            other = self._texts.make(batch, length, seed=length + number * _NEXT)
            ties = self._ties(other, batch)
            better = ties < left  # each text is one by itself
            left = torch.where(better, ties, left)
            for name, value in found.items():
                value[better] = other[name][better]
        return found, int(left.sum())

    def _ties(self, inputs: dict[str, torch.Tensor], batch: int) -> torch.Tensor:
        """How many choices rounding decides in each text: long [batch]."""
        ids, mask = (inputs[name].flatten(0, -2) for name in ("input_ids", "attention_mask"))
        with counted_ties(self._model) as counts, torch.inference_mode():
            encoder_of(self._model)(input_ids=ids, attention_mask=mask)
        return torch.stack([count.view(batch, -1).sum(1) for count in counts]).sum(0)


@contextmanager
def counted_ties(model: Any) -> Iterator[list[torch.Tensor]]:
    """While this lasts, every layer's choice of keys is looked at; yields the ties of each call's rows, long [rows]."""
    counts: list[torch.Tensor] = []
    layers = lsg_layers(model, most=None).values()
    shipped = [layer.attention for layer in layers]
    for layer, attention in zip(layers, shipped, strict=True):
        layer.attention = _counting(attention, counts)
    try:
        yield counts
    finally:
        for layer, attention in zip(layers, shipped, strict=True):
            layer.attention = attention


def _counting(attention: Any, counts: list[torch.Tensor]) -> Any:
    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, plan: Any, *others: Any) -> torch.Tensor:
        tokens = key[:, :, plan.num_globals :]
        masked = torch.zeros(len(key), tokens.shape[2], dtype=torch.bool)
        if plan.tokens is not None:
            masked = ~plan.tokens.expand(len(key), -1)
        tied = None if plan.is_dense else tied_runs(tokens, masked, plan.options)
        counts.append(torch.zeros(len(key), dtype=torch.long) if tied is None else tied.flatten(1).sum(1))
        result: torch.Tensor = attention(query, key, value, plan, *others)
        return result

    return attend
