"""Above the dense limit a converted model computes what a dense attention over the very same keys computes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

from lsg_convert.verification.oracle import dense_lsg_attention
from tests.close import assert_close
from tests.families.pairs import BLOCK_SIZE, TOLERANCE, USUAL, Pair

MakePair = Callable[..., Pair]
SELECTIONS = ("norm", "pooling", "bos_pooling", "stride", "block_stride", "none")


def use_oracle(model: Any) -> int:
    """Put the oracle in the place of the shipped attention; return the number of places."""
    modules = [module for module in model.modules() if type(module).__name__.endswith("SelfAttention")]
    modules = [module for module in modules if hasattr(module, "attention") and callable(module.attention)]
    for module in modules:
        module.attention = dense_lsg_attention
    return len(modules)


@torch.no_grad()
@pytest.mark.parametrize(("number", "model_type", "architecture"), [(n, *case) for n, case in enumerate(USUAL)])
def test_blocks_equal_the_oracle(pair: MakePair, number: int, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    # Every family meets two of the selections, every selection meets many families.
    for selection in (SELECTIONS[number % 6], SELECTIONS[(number + 3) % 6]):
        options: dict[str, Any] = {"sparsity_type": selection, "num_global_tokens": 3, "sparsity_factor": 4}
        if made.plan.lsg.local_attention == "sliding":
            options["attention_window"] = [2 * BLOCK_SIZE, 4 * BLOCK_SIZE]
        blocks, dense = made.load(**options), made.load(**options)
        assert use_oracle(dense) > 0
        for length, padded in ((64, False), (51, True)):
            inputs = made.inputs(length, padded)
            ours, expected = blocks(**inputs)[0], dense(**inputs)[0]
            assert_close(ours, expected)


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture"), USUAL)
def test_as_shipped_at_full_length(pair: MakePair, model_type: str, architecture: str) -> None:
    """Up to the new length, with what was converted by default; one row alone equals the row in a batch."""
    made = pair(model_type, architecture)
    model = made.load()
    inputs = made.inputs(made.plan.max_len, padded=True, labels=False)
    whole = model(**inputs)[0]
    assert torch.isfinite(whole).all()
    alone = model(**{name: value[:1] for name, value in inputs.items()})[0]
    assert (alone - whole[:1]).abs().max() <= TOLERANCE


@pytest.mark.parametrize(("model_type", "architecture"), USUAL)
def test_longer_than_the_positions(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    if not made.family.positions_of(made.source.config.to_dict()):
        pytest.skip("no position table, no limit")
    with pytest.raises(ValueError, match=r"positions for 128: truncate"):
        made.converted(**made.inputs(129))


def shipped_layer_module(model: Any) -> Any:
    """The module that runs the layers, of the code that this model came with."""
    classes = [kind for module in model.modules() for kind in type(module).__mro__]
    classes = [kind for kind in classes if kind.__name__ == "LSGSelfAttention"]
    return sys.modules[classes[0].__module__]


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture"), USUAL)
def test_layers_in_chunks_equal_whole_ones(
    pair: MakePair, model_type: str, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without gradients a layer gets its tokens some at a time, across documents; a hook sees them all at once."""
    made = pair(model_type, architecture)
    model, inputs = made.load(), made.inputs(51, padded=True)
    whole, lengths = model(**inputs)[0], []
    shipped = shipped_layer_module(model)
    monkeypatch.setattr(shipped, "TOKENS_AT_ONCE", 7)
    run_layer = shipped.run_layer

    def watched(encoder: Any, layer: Any, hidden_states: torch.Tensor, *args: Any) -> torch.Tensor:
        lengths.append(hidden_states.shape[:2].numel())
        return run_layer(encoder, layer, hidden_states, *args)

    monkeypatch.setattr(shipped, "run_layer", watched)
    assert_close(model(**inputs)[0], whole)
    hooked = sum(bool(module._forward_hooks) for module in model.modules())  # a layer with a convolution behind it
    assert sum(length > 7 for length in lengths) == hooked
    assert lengths.count(7) > 0
    lengths.clear()
    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    for module in linear:
        module.register_forward_hook(lambda *_: None)
    assert_close(model(**inputs)[0], whole)
    assert min(lengths) > 50
