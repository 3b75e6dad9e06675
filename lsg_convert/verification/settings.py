"""How to verify: what the user asked for, checked."""

from __future__ import annotations

from dataclasses import dataclass

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable

DTYPE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
# Largest difference that rounding explains: 1e-4 is ours for float32; the others keep 8 to 11 bits of 24.
_DTYPE_ATOL = {"float32": 1e-4, "float16": 3e-2, "bfloat16": 2.5e-1}


@dataclass(frozen=True)
class Settings:
    """How to verify. `atol` None is 1e-4 in float32; thresholds of drift are off while None."""

    atol: float | None = None
    max_kl: float | None = None
    min_agreement: float | None = None
    device: str = "cpu"
    dtype: str = "float32"
    max_memory: int | None = None
    trust_remote_code: bool = False

    @property
    def tolerance(self) -> float:
        """The largest absolute difference that counts as equal."""
        return self.tolerance_in(self.dtype)

    def tolerance_in(self, dtype: str) -> float:
        """The same for something that is computed in `dtype`, whatever else is computed in."""
        return _DTYPE_ATOL[dtype] if self.atol is None else self.atol

    def check(self) -> None:
        """Raise RequestError for a value that makes no sense, or a device that cannot be used."""
        highest = {"atol": float("inf"), "max_kl": float("inf"), "min_agreement": 1.0}
        for name, high in highest.items():
            value = getattr(self, name)
            if value is not None and not 0 <= value <= high:
                allowed = "0 to 1" if high == 1 else "0 or more"
                raise RequestError(f"--{name.replace('_', '-')} is {value}; allowed is {allowed}.")
        if self.dtype not in DTYPE_BYTES:
            raise RequestError(f"--dtype is {printable(self.dtype)!r}; allowed are {', '.join(DTYPE_BYTES)}.")
        import torch

        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise RequestError(
                f"--device {printable(self.device)!r} cannot be used: {printable(str(error).splitlines()[0], 200)}",
                f"A GPU is cuda, or cuda:{self.device}." if self.device.isdigit() else "Use cpu, or cuda for a GPU.",
            ) from error
