"""Models that are spread: over devices, or over memory and disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.close import assert_close
from tests.families.pairs import USUAL, Pair

MakePair = Callable[..., Pair]
# One of each kind of encoder. (Of CamemBERT, XLM-RoBERTa and Marian the library cannot offload the sources either.)
KINDS = ("bert", "distilbert", "bart", "t5", "mpnet", "led", "big_bird")


@torch.no_grad()
@pytest.mark.parametrize("share", [0.3, 0.7])
@pytest.mark.parametrize(("model_type", "architecture"), [case for case in USUAL if case[0] in KINDS])
def test_weights_may_lie_on_disk(
    pair: MakePair, model_type: str, architecture: str, share: float, tmp_path: Path
) -> None:
    """With `device_map="auto"` and memory for a share of the weights."""
    made = pair(model_type, architecture)
    memory = {"cpu": int(share * sum(weight.nbytes for weight in made.converted.parameters()))}
    model = made.load(device_map="auto", max_memory=memory, offload_folder=str(tmp_path))
    assert "disk" in model.hf_device_map.values()
    for length in (20, 52):
        inputs = made.inputs(length, padded=True, labels=False)
        assert_close(model(**inputs)[0], made.converted(**inputs)[0])


@pytest.mark.parametrize(("model_type", "architecture"), [case for case in USUAL if case[0] in KINDS])
def test_a_layer_is_not_split(pair: MakePair, model_type: str, architecture: str) -> None:
    model = pair(model_type, architecture).converted
    names = set(model._no_split_modules)
    whole = [module for module in model.modules() if type(module).__name__ in names]
    layers = [
        layer
        for module in model.modules()
        if isinstance(module, nn.ModuleList)
        for layer in module
        if any(hasattr(part, "projections") for part in layer.modules())
    ]
    assert layers and all(any(part is layer for one in whole for part in one.modules()) for layer in layers)
