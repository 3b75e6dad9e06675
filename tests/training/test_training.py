"""Converted models train: gradients arrive everywhere, checkpointing changes none, half precision stays finite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.close import GRADIENT_ROUNDING, assert_close
from tests.families.pairs import USUAL, USUAL_FIRST, Pair

MakePair = Callable[..., Pair]
# 1.3 block lengths above the dense limit: blocks, padding and sparse tokens are all there.
LENGTH = 52
STYLES = [case for case in USUAL if case[0] in ("bert", "bart", "t5", "longformer")]


def without_dropout(model: Any) -> Any:
    """The model, to be trained without dropout."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name in ("dropout", "dropout_probability", "activation_dropout", "layerdrop"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return model


def gradients(model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Gradients of one step, by parameter name."""
    model.train()
    outputs = model(**inputs)
    loss = outputs.loss if "loss" in outputs else outputs[0].square().mean()
    loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def checkpointed(model: Any, reentrant: bool) -> Any:
    """The model, with gradient checkpointing of one of its kinds."""
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": reentrant})
    return model


@pytest.mark.parametrize(("model_type", "architecture"), USUAL)
def test_reentrant_gradient_checkpointing(pair: MakePair, model_type: str, architecture: str) -> None:
    check_checkpointing(pair(model_type, architecture), reentrant=True)


@pytest.mark.parametrize(("model_type", "architecture"), USUAL_FIRST)
def test_gradient_checkpointing(pair: MakePair, model_type: str, architecture: str) -> None:
    """Layers are checkpointed, which no head has."""
    check_checkpointing(pair(model_type, architecture), reentrant=False)


def check_checkpointing(made: Pair, reentrant: bool) -> None:
    if made.family.is_seq2seq and "CausalLM" in made.auto_class:
        pytest.skip("the library's decoder alone")
    inputs = made.inputs(LENGTH, padded=True)
    plain = gradients(without_dropout(made.load(num_global_tokens=1)), inputs)
    model = checkpointed(made.load(num_global_tokens=1), reentrant)
    saved = gradients(without_dropout(model), inputs)
    assert plain.keys() == saved.keys()
    for name, gradient in plain.items():
        # Of a bias all terms may cancel: each is a share of 1 among some dozens of tokens.
        assert_close(gradient, saved[name], GRADIENT_ROUNDING, terms=0.01)
    globals_ = [name for name in plain if name.endswith("global_embeddings.weight")]
    assert globals_
    assert all(plain[name][:1].abs().max() > 0 and not plain[name][1:].any() for name in globals_)
    layers = made.plan.layout.name(made.family.layers).removeprefix(made.plan.layout.prefix)
    assert any(layers in name for name in plain)


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize(("model_type", "architecture"), STYLES)
def test_what_is_dropped_is_dropped_again(pair: MakePair, model_type: str, architecture: str, reentrant: bool) -> None:
    """A layer that is run again for its gradients drops what it dropped before."""
    made = pair(model_type, architecture)
    inputs, found = made.inputs(LENGTH, padded=True), []
    for model in (made.load(), made.load(), checkpointed(made.load(), reentrant)):
        torch.manual_seed(len(found) != 1)
        found.append(gradients(model, inputs))
    plain, other, saved = found
    assert plain.keys() == saved.keys()
    for name, gradient in plain.items():
        assert_close(gradient, saved[name], GRADIENT_ROUNDING, terms=0.01)
    assert any((gradient - other[name]).abs().max() > 1e-3 for name, gradient in plain.items())


@pytest.mark.parametrize("kind", ["autocast to bfloat16", "bfloat16", "float16"])
@pytest.mark.parametrize(("model_type", "architecture"), STYLES)
def test_gradients_of_less_precision(pair: MakePair, model_type: str, architecture: str, kind: str) -> None:
    """They point where those of float32 do."""
    made = pair(model_type, architecture)
    inputs = made.inputs(LENGTH, padded=True)
    expected = gradients(without_dropout(made.load(sparsity_type="none")), inputs)
    dtype = getattr(torch, kind.rpartition(" ")[2])
    autocast = kind.startswith("autocast")
    model = without_dropout(made.load(sparsity_type="none", torch_dtype=torch.float32 if autocast else dtype))
    with torch.autocast("cpu", dtype, enabled=autocast):
        found = gradients(model, inputs)
    assert found.keys() == expected.keys()
    assert {gradient.dtype for gradient in found.values()} <= {torch.float32, dtype}
    whole = [torch.cat([kind[name].float().flatten() for name in expected]) for kind in (found, expected)]
    assert torch.isfinite(whole[0]).all()
    cosine = torch.cosine_similarity(*whole, dim=0)
    assert cosine > (0.999 if dtype == torch.float16 else 0.98), float(cosine)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize(("model_type", "architecture"), USUAL)
def test_half_precision(pair: MakePair, model_type: str, architecture: str, dtype: torch.dtype) -> None:
    # ESM's scale is divided by a row's length, in the library too: of a row that is masked it is no number.
    made = pair(model_type, architecture, **({"token_dropout": False} if model_type == "esm" else {}))
    model = made.load(torch_dtype=dtype)
    assert next(model.parameters()).dtype == dtype
    for length in (20, LENGTH):
        inputs = made.inputs(length)
        inputs["attention_mask"][1] = 0
        assert torch.isfinite(model(**inputs)[0]).all(), f"{length} tokens, one row fully masked"
    whole = made.load()
    inputs = made.inputs(LENGTH, padded=True, labels=False)
    difference = (model(**inputs)[0].float() - whole(**inputs)[0]).abs().mean()
    assert difference < (0.02 if dtype == torch.float16 else 0.2)


@pytest.mark.parametrize(("model_type", "architecture"), USUAL)
def test_attention_weights_are_answered_clearly(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    inputs = made.inputs(20)
    if made.family.is_seq2seq:
        outputs = made.load(attn_implementation="eager")(**inputs, output_attentions=True)
        assert outputs.encoder_attentions is None
        assert len(outputs.decoder_attentions) == len(outputs.cross_attentions) == 2
    else:
        with pytest.raises(ValueError, match="never forms the attention matrix"):
            made.converted(**inputs, output_attentions=True)
