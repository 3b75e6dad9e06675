"""Time and peak memory of a call. Needs the standard library only until something runs on a GPU."""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")

Side = TypeVar("Side")


@dataclass(frozen=True)
class Sample:
    """One run. seconds: wall clock. cpu_seconds: of all threads. peak_bytes: above what was in use before, if known."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int | None


def measure(call: Callable[[], Any], device: str = "cpu", memory: bool = True) -> Sample:
    """Run `call` once, and measure it.

    On a CPU `memory` costs time, because it begins with giving back what is free: measure one or the other.
    """
    if memory:  # a look through all objects empties the processor's caches, of which a short call would tell
        gc.collect()
    on_gpu = device.startswith("cuda")
    before = None
    if memory:
        before = _start_gpu(device) if on_gpu else _start_cpu()
    started, cpu_started = time.perf_counter(), time.process_time()
    result = call()
    if on_gpu:
        import torch

        torch.cuda.synchronize(device)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    peak = None
    if before is not None:
        peak = _peak_gpu(device) if on_gpu else _memory("VmHWM")
    del result
    return Sample(seconds, cpu_seconds, None if before is None or peak is None else max(0, peak - before))


def in_turns(sides: Mapping[str, Side], rounds: int) -> Iterator[tuple[int, str, Side]]:
    """Round, name and side: each side once to warm up, in round 0, then each in rounds 1 to `rounds`.

    They take turns, so that what else the machine does meets all of them alike.
    """
    for turn in range(rounds + 1):
        for name, side in sides.items():
            yield turn, name, side


def summarize(values: Sequence[float]) -> dict[str, float]:
    """Median and spread."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _start_cpu() -> int | None:
    """Give freed memory back and forget the old peak; returns the bytes in use, None where the system does not tell."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        _CLEAR.write_text("5", encoding="ascii", newline="\n")
    except (OSError, AttributeError):
        return None
    return _memory("VmRSS")


def _memory(field: str) -> int | None:
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":")), None)


def _start_gpu(device: str) -> int:
    import torch

    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


def _peak_gpu(device: str) -> int:
    import torch

    return torch.cuda.max_memory_allocated(device)
