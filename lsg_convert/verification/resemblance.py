"""How much the long model's tokens resemble the source's, position by position: what `verification.png` shows.

Beyond its own maximum the source cannot read on, so there it reads the same text in windows of that length. What moving
those windows by half changes in the source's own tokens is the yardstick: no model that reads another stretch of text
can resemble it more than it resembles itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from lsg_convert.verification.compute import asking_the_source, encoder_states

if TYPE_CHECKING:
    import torch

    from lsg_convert.verification.subject import Subject

BY_POSITION = "by_position"
WHOLE_TEXT = "whole text"  # what the shipped model's encoder makes of the first text at the full length
_BINS = 48


@dataclass
class Resemblance:
    """Mean similarity of token vectors (1: the same) in bins of positions, by line, and over all."""

    source_max_len: int
    dense_limit: int
    max_len: int
    lines: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def mean(self, line: str) -> float | None:
        """The mean of one line; None where it could not be drawn."""
        points = self.lines.get(line, [])
        return sum(value for _, value in points) / len(points) if points else None

    def as_dict(self) -> dict[str, Any]:
        """The lines as plain data."""
        lines = {name: [[at, round(value, 4)] for at, value in points] for name, points in self.lines.items()}
        own = {"source_max_len": self.source_max_len, "dense_limit": self.dense_limit, "max_len": self.max_len}
        return {**own, "lines": lines}


def resemblance(subject: Subject) -> Resemblance:
    """Read one long text with both models, the source in windows, and compare token by token."""
    inputs, special = subject.inputs, subject.inputs.num_special
    _, content = inputs.content(0, subject.max_len - special)
    window = min(subject.source_max_len, subject.max_len) - special
    found = Resemblance(subject.source_max_len, subject.lsg.dense_limit, subject.max_len)
    source, converted = subject.models.both()
    with subject.reporter.stage("Comparing token by token"):
        with asking_the_source():
            theirs = _in_windows(subject, source, content, window, 0)
        center = theirs.mean(0)
        inside = _states(subject, converted, content[:window])
        found.lines["inside"] = _binned(_similar(inside, theirs[: len(inside)], center), len(content))
        if len(content) > window:
            batch = inputs.batch(subject.max_len)
            every = subject.remember(WHOLE_TEXT, lambda: encoder_states(converted, batch))
            ours = every[0, len(inputs.prefix) :][: len(content)].float().cpu()
            beyond = _binned(_similar(ours[window:], theirs[window:], center), len(content))
            found.lines["beyond"] = [(window + at, value) for at, value in beyond]
            moved = _in_windows(subject, source, content, window, window // 2)
            found.lines["itself"] = _binned(_similar(moved, theirs, center), len(content))
    return found


def likeness(subject: Subject, model: Any, content: list[int], name: str) -> float:
    """Mean similarity of a model's tokens, which reads all of `content`, to the source's, which reads windows of it.

    The source's states are remembered under `name`.
    """
    window = min(subject.source_max_len, subject.max_len) - subject.inputs.num_special

    def of_source() -> torch.Tensor:
        with asking_the_source():
            return _in_windows(subject, subject.models.source(), content, window, 0)

    theirs = subject.remember(name, of_source)
    return float(_similar(_states(subject, model, content), theirs, theirs.mean(0)).mean())


def _in_windows(subject: Subject, model: Any, content: list[int], window: int, first: int) -> torch.Tensor:
    """States of all of `content` [tokens, width], read in windows; with `first` the opening one is that long."""
    import torch

    edges = [0, *range(first or window, len(content), window), len(content)]
    parts = [_states(subject, model, content[start:end]) for start, end in pairwise(edges)]
    return torch.cat(parts)


def _states(subject: Subject, model: Any, content: list[int]) -> torch.Tensor:
    """Encoder states of `content` [tokens, width], in float32 on the CPU."""
    subject.pause()
    inputs = subject.inputs
    states = encoder_states(model, inputs.of_ids([inputs.frame(content)], f"{len(content)} tokens"))
    start = len(inputs.prefix)
    return states[0, start : start + len(content)].float().cpu()


def _similar(ours: torch.Tensor, theirs: torch.Tensor, center: torch.Tensor) -> torch.Tensor:
    """Cosine similarity of what sets tokens apart: their distance from the mean token."""
    import torch

    return torch.cosine_similarity(ours - center, theirs - center, dim=-1)


def _binned(values: torch.Tensor, total: int) -> list[tuple[int, float]]:
    """Means over stretches of positions: [(middle, mean), ...]."""
    size = max(1, -(-total // _BINS))
    return [(size * i + len(part) // 2, float(part.mean())) for i, part in enumerate(values.split(size))]
