"""What work will take on this machine, before it is done: disk, memory and time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lsg_convert.common.progress import Reporter
from lsg_convert.common.sizes import size_text

RUNTIME = 450 * 10**6  # bytes of Python, torch, transformers and a tokenizer
SLACK = 1.1  # allocators keep some of what was freed
STARTING, IMPORTING = 1.0, 4.0  # seconds
COMPUTING = 40e9  # operations a second, on two cores of a server
_FEW_SECONDS = 5.0


@dataclass(frozen=True)
class Estimate:
    """Bytes on the disk, bytes of memory at most, seconds about."""

    disk: int
    memory: int
    seconds: float

    @property
    def sentence(self) -> str:
        """What is taken, for a person."""
        disk = f"{size_text(self.disk)} on the disk, " if self.disk else ""
        return f"{disk}up to {size_text(self.memory)} of memory, {about(self.seconds)}"

    def tell(self, reporter: Reporter) -> None:
        """Say so before work of more than a few seconds."""
        if self.seconds > _FEW_SECONDS:
            reporter.notice(f"This will take {self.sentence}.")

    def as_dict(self) -> dict[str, Any]:
        """The estimate as plain data."""
        return asdict(self) | {"seconds": round(self.seconds, 1)}


def about(seconds: float) -> str:
    """A duration that is not known exactly."""
    if seconds < 60:
        return f"about {max(5 * round(seconds / 5), 1)} s"
    return f"about {seconds / 60:.0f} min"
