"""Float32 linear maps on a CPU by oneDNN, where that is faster than the BLAS that torch was built with.

PyTorch multiplies float32 matrices with its BLAS, most often Intel's MKL, and carries oneDNN too. With AVX-512 oneDNN
is faster on some processors, by half or by a tenth, and on others not: both are timed at first use, beyond the first
calls of the BLAS, which are slow. Without AVX-512 the BLAS is faster. No module changes: while the layers run, without
gradients, `torch.nn.functional.linear` is redirected.
`torch.backends.mkldnn.flags(enabled=False)` turns this off, as all of oneDNN.
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

LinearKernel = Callable[[Tensor, Tensor, Tensor | None], Tensor]
CLEARLY_FASTER = 0.95  # of torch's time, so that noise does not decide


def fast_linear_maps(device: torch.device) -> AbstractContextManager[Any]:
    """While this lasts, linear maps are computed by oneDNN where it can and is faster."""
    if torch.is_grad_enabled() or not is_eager_on_cpu(device) or not torch.backends.mkldnn.enabled:
        return nullcontext()
    return _LinearByOneDNN() if onednn_is_faster(torch.get_num_threads()) else nullcontext()


class _LinearByOneDNN(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        return _linear(*args, **kwargs) if func is functional.linear else func(*args, **kwargs)


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """[..., n], [m, n], [m] → [..., m]."""
    kernel = onednn_kernel()
    if kernel is None or not are_plain_float32(input, weight) or needs_gradients(input, weight, bias):
        return functional.linear(input, weight, bias)
    return kernel(input, weight, bias)


@lru_cache(maxsize=8)
def onednn_is_faster(num_threads: int) -> bool:
    """Whether oneDNN is there and clearly faster with so many threads; asked once, in tenths of a second."""
    kernel = onednn_kernel() if "AVX512" in torch.backends.cpu.get_cpu_capability() else None
    if kernel is None:
        return False
    # As wide as a base model's are: on small ones the two differ by other shares.
    input, weight, bias = torch.ones(256, 768), torch.ones(3072, 768), torch.ones(3072)
    seconds: dict[LinearKernel, list[float]] = {functional.linear: [], kernel: []}
    with torch.inference_mode():
        for _ in range(8):
            for function, times in seconds.items():
                start = time.perf_counter()
                function(input, weight, bias)
                times.append(time.perf_counter() - start)
    return min(seconds[kernel]) < CLEARLY_FASTER * min(seconds[functional.linear])


@lru_cache(maxsize=1)
def onednn_kernel() -> LinearKernel | None:
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
