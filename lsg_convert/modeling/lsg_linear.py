"""Float32 linear maps on a CPU by oneDNN, as precise as torch's own and on AMD's processors twice as fast.

PyTorch multiplies float32 matrices with the BLAS that it was built with, most often Intel's MKL. It carries oneDNN too,
and uses it for bfloat16. `torch.backends.mkldnn.flags(enabled=False)` turns it off here as everywhere.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .lsg_eager import are_plain_float32, needs_gradients

Kernel = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class OneDNNLinear(nn.Linear):
    """`nn.Linear`, its parameters and its results; by oneDNN where that is possible."""

    def forward(self, input: Tensor) -> Tensor:
        """[..., in_features] → [..., out_features]."""
        if not _suits_onednn(input, self.weight):
            return functional.linear(input, self.weight, self.bias)
        return onednn_linear(input, self.weight, self.bias)


class WithOneDNNLinears:
    """Mixed in before a library model: all its linear layers become `OneDNNLinear` once it is built."""

    def post_init(self) -> None:
        """What the library calls when a model is complete."""
        use_onednn_linears(cast(nn.Module, self))
        super().post_init()


def use_onednn_linears(model: nn.Module) -> None:
    """Make every plain `nn.Linear` of `model` a `OneDNNLinear`: the same module, parameters and names."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = OneDNNLinear


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
