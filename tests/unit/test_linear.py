"""Linear maps by oneDNN against torch's own, and what must not notice them."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from lsg_convert.modeling import lsg_linear
from lsg_convert.modeling.lsg_linear import fast_linear_maps, onednn_is_faster, onednn_kernel
from tests.close import assert_close

needs_kernel = pytest.mark.skipif(onednn_kernel() is None, reason="this torch has no oneDNN")
CPU = torch.device("cpu")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What oneDNN is asked to map, on a processor where it is the faster one."""
    inputs: list[Tensor] = []
    kernel = onednn_kernel()

    def watched(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        inputs.append(input)
        assert kernel is not None
        return kernel(input, weight, bias)

    monkeypatch.setattr(lsg_linear, "onednn_kernel", lambda: watched)
    monkeypatch.setattr(lsg_linear, "onednn_is_faster", lambda num_threads: True)
    return inputs


def mapped(module: nn.Module, input: Tensor) -> Tensor:
    with fast_linear_maps(CPU):
        return module(input)


class Mapped(nn.Module):
    """The same as a module."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = linear()

    def forward(self, input: Tensor) -> Tensor:
        return mapped(self.inner, input)


def linear(inputs: int = 8, outputs: int = 6, bias: bool = True, **kwargs: object) -> nn.Linear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Linear(inputs, outputs, bias=bias, **kwargs)  # type: ignore[arg-type]


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
def test_values_are_torchs(leading: list[int], inputs: int, outputs: int, bias: bool, transposed: bool) -> None:
    module = linear(inputs, outputs, bias)
    given = random(inputs, *leading).movedim(0, -1) if transposed else random(*leading, inputs)
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(lsg_linear, "onednn_is_faster", lambda num_threads: True)
        assert_close(mapped(module, given), module(given))


@needs_kernel
def test_serves_what_is_not_trained(asked: list[Tensor]) -> None:
    with torch.no_grad():
        mapped(linear(), random(2, 3, 8))
    with torch.inference_mode():
        mapped(nn.Sequential(linear(), nn.ReLU()), random(2, 3, 8))
    assert len(asked) == 2
    linear()(random(2, 3, 8))  # outside, everything is as it was
    mapped(linear(), random(2, 3, 8)).sum().backward()
    assert len(asked) == 2


@needs_kernel
@torch.no_grad()
@pytest.mark.parametrize(
    "call",
    [
        lambda: mapped(linear(dtype=torch.float64), random(3, 8).double()),
        lambda: mapped(linear(dtype=torch.bfloat16), random(3, 8).bfloat16()),
        lambda: mapped(linear(), random(0, 8)),
        lambda: torch.func.vmap(partial(mapped, linear()))(random(4, 3, 8)),
        lambda: torch.jit.trace(Mapped(), random(3, 8), check_trace=False),
        lambda: mapped(linear(device="meta"), random(3, 8).to("meta")),
        lambda: torch.compile(partial(mapped, linear()), backend="eager")(random(3, 8)),
    ],
    ids=["float64", "bfloat16", "empty", "vmap", "trace", "meta", "compile"],
)
def test_leaves_to_torch(call: Callable[[], object], asked: list[Tensor]) -> None:
    call()
    assert not asked


@needs_kernel
@torch.no_grad()
def test_autocast_decides_the_dtype(asked: list[Tensor]) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert mapped(linear(), random(3, 8)).dtype == torch.bfloat16
    assert not asked


@needs_kernel
@torch.no_grad()
def test_can_be_turned_off(asked: list[Tensor]) -> None:
    with torch.backends.mkldnn.flags(enabled=False):
        mapped(linear(), random(3, 8))
    assert not asked


@torch.no_grad()
@pytest.mark.parametrize(("seconds", "serves"), [(1.0, True), (1.8, True), (1.95, False), (3.0, False)])
@pytest.mark.parametrize("slow_calls", [0, 4], ids=["at once", "after some calls"])
def test_what_is_faster_here_serves(
    seconds: float, serves: bool, slow_calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the clock, at first use; not by the processor's name, nor by the first calls. A twentieth may be noise."""
    clock = {"now": 0.0}

    def taking(seconds: float, slow_calls: int = 0) -> Callable[..., Tensor]:
        calls = iter(range(1000))

        def function(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
            clock["now"] += seconds * (2 if next(calls) < slow_calls else 1)
            return input

        return function

    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(lsg_linear.time, "perf_counter", lambda: clock["now"])
    monkeypatch.setattr(lsg_linear, "onednn_kernel", lambda: taking(seconds))
    monkeypatch.setattr(lsg_linear.functional, "linear", taking(2.0, slow_calls))
    assert onednn_is_faster.__wrapped__(1) is serves


@pytest.mark.parametrize("capability", ["AVX2", "DEFAULT"])
def test_without_avx512_the_blas_serves(capability: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The BLAS is slow in its first calls: timed, oneDNN was taken every other time, and was slower by a tenth."""
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    monkeypatch.setattr(lsg_linear.time, "perf_counter", lambda: pytest.fail("timed"))
    assert onednn_is_faster.__wrapped__(1) is False


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
        assert onednn_is_faster.__wrapped__(1) is False
        assert torch.equal(mapped(linear(), random(3, 8)), functional.linear(random(3, 8), *linear().parameters()))
    finally:
        onednn_kernel.cache_clear()
