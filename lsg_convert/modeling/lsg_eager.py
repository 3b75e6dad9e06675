"""How tensors are being computed with: at once on a CPU, or captured, transformed, or cast on their way."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

# torch 2.2 cannot be asked.
is_compiling: Callable[[], bool] = getattr(torch.compiler, "is_compiling", lambda: False)


def is_captured() -> bool:
    """Whether a graph is made of what is asked for, which is then right for other data too."""
    return is_compiling() or torch.jit.is_tracing()


def is_eager_on_cpu(device: torch.device) -> bool:
    """Whether what is asked for is computed now, and on a CPU."""
    return device.type == "cpu" and not is_captured()


def are_plain_float32(*tensors: Tensor) -> bool:
    """Whether these are float32 tensors on a CPU, to be computed with now and as they are: what a kernel may do that
    torch's dispatcher and autograd know nothing of.
    """
    return (
        all(
            is_eager_on_cpu(tensor.device)
            and tensor.dtype == torch.float32
            and type(tensor) in (Tensor, nn.Parameter)
            and tensor.numel() > 0
            for tensor in tensors
        )
        and not _is_autocast()
        and not _is_transformed()
    )


def needs_gradients(*tensors: Tensor | None) -> bool:
    """Whether what is computed with these is to be differentiated."""
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


def _is_autocast() -> bool:
    try:
        return torch.is_autocast_enabled("cpu")
    except TypeError:  # torch before 2.4
        return torch.is_autocast_cpu_enabled()


def _is_transformed() -> bool:
    """Whether `torch.func` is at work (vmap, grad, …), which wants operations that it knows."""
    ask: Callable[[], bool] | None = getattr(torch._C, "_are_functorch_transforms_active", None)
    return ask is None or ask()
