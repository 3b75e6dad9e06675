"""Linear maps by oneDNN against torch's own."""

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from lsg_convert.modeling import lsg_linear
from lsg_convert.modeling.lsg_linear import (
    LinearMapsByOneDNN,
    fast_linear_maps,
    onednn_is_faster,
    onednn_kernel,
    onednn_linear,
)

needs_kernel = pytest.mark.skipif(onednn_kernel() is None, reason="this torch has no oneDNN")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What oneDNN is asked to map."""
    seen: list[Tensor] = []

    def watched(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        seen.append(input)
        return onednn_linear(input, weight, bias)

    monkeypatch.setattr(lsg_linear, "onednn_linear", watched)
    return seen


class Fast(nn.Linear):
    """A linear layer that is called as in an encoder on a processor where oneDNN is faster."""

    def forward(self, input: Tensor) -> Tensor:
        with LinearMapsByOneDNN():
            return super().forward(input)


def linear(inputs: int = 8, outputs: int = 6, bias: bool = True, **kwargs: object) -> nn.Linear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Fast(inputs, outputs, bias=bias, **kwargs)  # type: ignore[arg-type]


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@needs_kernel
@settings(deadline=None)
@given(
    leading=st.lists(st.integers(1, 9), max_size=3),
    inputs=st.integers(1, 70),
    outputs=st.integers(1, 70),
    bias=st.booleans(),
    transposed=st.booleans(),
)
def test_values_and_gradients_are_torchs(
    leading: list[int], inputs: int, outputs: int, bias: bool, transposed: bool
) -> None:
    module = linear(inputs, outputs, bias)
    given = random(inputs, *leading).movedim(0, -1) if transposed else random(*leading, inputs)
    found = []
    for function in (module, lambda part: functional.linear(part, module.weight, module.bias)):
        input = given.clone(memory_format=torch.preserve_format).requires_grad_()
        output = function(input)
        leaves = [input, *module.parameters()]
        found.append([output, *torch.autograd.grad(output, leaves, random(*output.shape, seed=2))])
    for ours, theirs in zip(*found, strict=True):
        assert ours.shape == theirs.shape
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@needs_kernel
def test_second_derivatives_are_torchs(asked: list[Tensor]) -> None:
    module, found = linear(), []
    for function in (module, lambda part: functional.linear(part, module.weight, module.bias)):
        input = random(3, 8).requires_grad_()
        (slope,) = torch.autograd.grad(function(input).sin().sum(), input, create_graph=True)
        found.append(torch.autograd.grad(slope.square().sum(), [input, module.weight]))
    assert asked
    assert all(torch.allclose(ours, theirs, atol=1e-5) for ours, theirs in zip(*found, strict=True))


@needs_kernel
def test_only_the_gradients_that_are_wanted_are_made() -> None:
    module = linear()
    module.weight.requires_grad_(False)
    input = random(3, 8)
    module(input).sum().backward()
    assert module.weight.grad is None and input.grad is None
    assert module.bias.grad is not None and torch.allclose(module.bias.grad, torch.full((6,), 3.0))


@needs_kernel
def test_serves_plain_float32_tensors(asked: list[Tensor]) -> None:
    linear()(random(2, 3, 8))
    with torch.inference_mode():
        linear()(random(2, 3, 8))
    assert len(asked) == 2 + 1  # the differentiable one asks again, without gradients


@needs_kernel
@pytest.mark.parametrize(
    "call",
    [
        lambda: linear(dtype=torch.float64)(random(3, 8).double()),
        lambda: linear(dtype=torch.bfloat16)(random(3, 8).bfloat16()),
        lambda: linear()(random(0, 8)),
        lambda: torch.func.vmap(linear())(random(4, 3, 8)),
        lambda: torch.func.grad(lambda part: linear()(part).sum())(random(3, 8)),
        lambda: torch.jit.trace(linear(), random(3, 8), check_trace=False),
        lambda: linear(device="meta")(random(3, 8).to("meta")),
    ],
    ids=["float64", "bfloat16", "empty", "vmap", "grad", "trace", "meta"],
)
def test_leaves_to_torch(call: Callable[[], object], asked: list[Tensor]) -> None:
    call()
    assert not asked


@needs_kernel
def test_autocast_decides_the_dtype(asked: list[Tensor]) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert linear()(random(3, 8)).dtype == torch.bfloat16
    assert not asked


@needs_kernel
def test_can_be_turned_off(asked: list[Tensor]) -> None:
    with torch.backends.mkldnn.flags(enabled=False):
        linear()(random(3, 8))
    assert not asked


def test_a_torch_without_the_operation_is_served_too(monkeypatch: pytest.MonkeyPatch, asked: list[Tensor]) -> None:
    monkeypatch.setattr(lsg_linear, "onednn_kernel", lambda: None)
    assert torch.equal(linear()(random(3, 8)), functional.linear(random(3, 8), linear().weight, linear().bias))
    assert not asked


@pytest.mark.parametrize("result", [RuntimeError("not here"), torch.zeros(2, 4)], ids=["fails", "differs"])
def test_an_operation_that_has_changed_is_not_used(result: object, monkeypatch: pytest.MonkeyPatch) -> None:
    class Changed:
        @staticmethod
        def default(*_: object) -> object:
            if isinstance(result, Exception):
                raise result
            return result

    class Operations:
        _linear_pointwise = Changed

    monkeypatch.setattr(torch.ops, "mkldnn", Operations)
    onednn_kernel.cache_clear()
    try:
        assert onednn_kernel() is None
    finally:
        onednn_kernel.cache_clear()


def test_modules_stay_what_they_are(asked: list[Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lsg_linear, "onednn_is_faster", lambda: True)
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Sequential(nn.Linear(3, 2, bias=False)))
    before = model(random(2, 4))
    with fast_linear_maps(torch.device("cpu")):
        assert torch.allclose(model(random(2, 4)), before)
    assert len(asked) == 2 * 2 or onednn_kernel() is None
    assert [type(module) for module in model.modules() if isinstance(module, nn.Linear)] == [nn.Linear] * 2
    twin = copy.deepcopy(model)
    assert torch.equal(twin(random(2, 4)), before)


def test_is_used_only_where_it_is_faster(asked: list[Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lsg_linear, "onednn_is_faster", lambda: False)
    with fast_linear_maps(torch.device("cpu")):
        nn.Linear(8, 6)(random(3, 8))
    assert not asked


@pytest.mark.parametrize(("ours", "theirs", "faster"), [(1.0, 2.0, True), (1.0, 1.05, False), (2.0, 1.0, False)])
def test_what_is_faster_is_measured(ours: float, theirs: float, faster: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(call: object, *_: Tensor) -> float:
        return theirs if call is functional.linear else ours

    monkeypatch.setattr(lsg_linear, "onednn_kernel", lambda: lambda *_: None)
    monkeypatch.setattr(lsg_linear, "_seconds", seconds)
    for capability in ("AVX512", "AVX2"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda capability=capability: capability)
        onednn_is_faster.cache_clear()
        try:
            assert onednn_is_faster() is (faster and capability == "AVX512")
        finally:
            onednn_is_faster.cache_clear()


def test_quantization_finds_every_linear_layer() -> None:
    from transformers import BertConfig

    from lsg_convert.modeling.modeling_lsg_bert import LSGBertForMaskedLM

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    model = LSGBertForMaskedLM(BertConfig(vocab_size=50, max_position_embeddings=64, **sizes)).eval()
    wanted = sum(isinstance(module, nn.Linear) for module in model.modules())
    quantized = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    found = [module for module in quantized.modules() if isinstance(module, torch.ao.nn.quantized.dynamic.Linear)]
    assert len(found) == wanted == 14
    assert torch.isfinite(quantized(torch.arange(40)[None]).logits).all()
