"""Float32 linear maps on a CPU by oneDNN where that is faster than torch's own, and as precise.

PyTorch multiplies float32 matrices with the BLAS that it was built with, most often Intel's MKL. It carries oneDNN too,
and uses it for bfloat16. On AMD's processors with AVX-512 that is twice as fast, on those with AVX2 it is not. So torch's
own serve, unless there is AVX-512 and a measurement of some milliseconds, once a process, says otherwise. Modules stay
`nn.Linear`, which is what quantization and adapters look for. `torch.backends.mkldnn.flags(enabled=False)` turns it off.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .lsg_eager import are_plain_float32, is_eager_on_cpu, needs_gradients

Kernel = Callable[[Tensor, Tensor, Tensor | None], Tensor]

MEASURED_ROWS, MEASURED_WIDTH, MEASURED_TIMES = 256, 768, 4
WORTH_IT = 0.85  # of torch's time: below this, noise decides


def fast_linear_maps(device: torch.device) -> AbstractContextManager[Any]:
    """While this lasts, linear maps on `device` are computed by oneDNN where that is possible and faster."""
    if is_eager_on_cpu(device) and onednn_is_faster():
        return LinearMapsByOneDNN()
    return nullcontext()


class LinearMapsByOneDNN(TorchFunctionMode):
    """Takes the calls of `functional.linear` that oneDNN can compute; what `nn.Linear` modules are stays as it is."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call `func`, or what stands in for it."""
        if func is functional.linear and not kwargs and _suits_onednn(*args[:2]):
            return onednn_linear(args[0], args[1], args[2] if len(args) > 2 else None)
        return func(*args, **(kwargs or {}))


@lru_cache(maxsize=1)
def onednn_is_faster() -> bool:
    """Whether oneDNN is, for maps of a size that encoders have, on this processor."""
    kernel = onednn_kernel()
    if kernel is None or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    with torch.no_grad():
        rows, weight = torch.ones(MEASURED_ROWS, MEASURED_WIDTH), torch.ones(MEASURED_WIDTH, MEASURED_WIDTH)
        ours, theirs = (_seconds(linear, rows, weight) for linear in (kernel, functional.linear))
    return ours < WORTH_IT * theirs


def _seconds(linear: Callable[..., Tensor], rows: Tensor, weight: Tensor) -> float:
    """The shortest time of a few calls; the first one warms up."""
    linear(rows, weight, None)
    found = []
    for _ in range(MEASURED_TIMES):
        started = time.perf_counter()
        linear(rows, weight, None)
        found.append(time.perf_counter() - started)
    return min(found)


def onednn_linear(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """[..., n], [m, n], [m] → [..., m], differentiable any number of times."""
    if needs_gradients(input, weight, bias):
        return _Differentiable.apply(input, weight, bias)
    kernel = onednn_kernel()
    assert kernel is not None
    return kernel(input, weight, bias)


class _Differentiable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(input, weight)
        with torch.no_grad():
            return onednn_linear(input, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of input, weight and bias: two more linear maps and a sum."""
        input, weight = ctx.saved_tensors
        of_input = of_weight = of_bias = None
        rows = gradient.reshape(-1, gradient.shape[-1])
        if ctx.needs_input_grad[0]:
            of_input = onednn_linear(gradient, weight.t(), None)
        if ctx.needs_input_grad[1]:
            of_weight = onednn_linear(rows.t(), input.reshape(-1, input.shape[-1]).t(), None)
        if ctx.needs_input_grad[2]:
            of_bias = rows.sum(0)
        return of_input, of_weight, of_bias


def _suits_onednn(input: Tensor, weight: Tensor) -> bool:
    """Whether these are plain float32 tensors on a CPU, to be multiplied now and as they are."""
    return are_plain_float32(input, weight) and bool(torch.backends.mkldnn.enabled) and onednn_kernel() is not None


@lru_cache(maxsize=1)
def onednn_kernel() -> Kernel | None:
    """oneDNN's linear map as torch has it for its compiler; None where there is none, or not the one that is known."""
    if not torch.backends.mkldnn.is_available():
        return None

    def kernel(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise.default(input, weight, bias, "none", [], "")

    # It is no public operation: where it has changed or is missing, the public one serves.
    input, weight, bias = (torch.arange(float(n)).view(shape) for n, shape in ((6, (2, 3)), (12, (4, 3)), (4, (4,))))
    try:
        with torch.no_grad():
            agrees = torch.allclose(kernel(input, weight, bias), functional.linear(input, weight, bias))
    except (AttributeError, RuntimeError, TypeError):
        return None
    return kernel if agrees else None
