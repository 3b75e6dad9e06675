"""Which settings are worth having: what is dominated, the Pareto front, and the one to recommend."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

FEWEST_PIECES = 3  # fewer say nothing about their spread


class Candidate:
    """A setting as it is compared: what it costs, and its scores piece by piece; more is better."""

    def __init__(self, name: str, cost: float, scores: Sequence[float], complete: bool = True) -> None:
        self.name, self.cost, self.scores, self.complete = name, cost, scores, complete

    @property
    def mean(self) -> float:
        """The mean score."""
        return sum(self.scores) / len(self.scores)


def margin(better: Candidate, worse: Candidate) -> tuple[float, float]:
    """By how much the first is better on the pieces that both have, and the standard error of that."""
    gaps = [one - other for one, other in zip(better.scores, worse.scores, strict=False)]
    mean = sum(gaps) / len(gaps)
    if len(gaps) < 2:
        return mean, 0.0
    variance = sum((gap - mean) ** 2 for gap in gaps) / (len(gaps) - 1)
    return mean, sqrt(variance / len(gaps))


def dominated_by(candidate: Candidate, finished: Sequence[Candidate]) -> str | None:
    """Name of a finished setting that costs no more and is better by two standard errors; None where there is none."""
    if len(candidate.scores) < FEWEST_PIECES:
        return None
    for other in finished:
        if other.cost <= candidate.cost:
            mean, error = margin(other, candidate)
            if mean > 2 * error and mean > 0:
                return other.name
    return None


def pareto_front(candidates: Sequence[Candidate]) -> list[str]:
    """Names of the settings beside which none is better and no dearer, cheapest first."""
    front: list[str] = []
    best = float("-inf")
    for candidate in sorted(candidates, key=lambda each: (each.cost, -each.mean)):
        if candidate.complete and candidate.mean > best:
            front.append(candidate.name)
            best = candidate.mean
    return front


def recommended(candidates: Sequence[Candidate]) -> str | None:
    """The cheapest setting that is within a standard error of the best one."""
    complete = [candidate for candidate in candidates if candidate.complete]
    if not complete:
        return None
    best = max(complete, key=lambda each: (each.mean, -each.cost))
    near = []
    for candidate in complete:
        mean, error = margin(best, candidate)
        if mean <= error:
            near.append(candidate)
    return min(near, key=lambda each: each.cost).name
