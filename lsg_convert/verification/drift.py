"""Level 4, drift: above the dense limit, up to the source's maximum, how far the folder's model is from its source.

A source that is long by itself is attended to as it is: there it must not be far at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lsg_convert.verification.check import Check
from lsg_convert.verification.compute import asking_the_source, only_positions, outputs_of
from lsg_convert.verification.lengths import drift_lengths
from lsg_convert.verification.levels import Level
from lsg_convert.verification.resemblance import BY_POSITION, resemblance
from lsg_convert.verification.result import Measurement, NotRunError

if TYPE_CHECKING:
    import torch

    from lsg_convert.verification.inputs import Batch
    from lsg_convert.verification.settings import Settings
    from lsg_convert.verification.subject import Subject

_POSITIONS = 128  # of each text, where a head works token by token over a vocabulary
_TOKEN_HEADS = ("AutoModelForMaskedLM",)
_LSG_SOURCE = (
    "the source is LSG itself: what it computes above the dense limit only its own code knows, which is never run"
)


@dataclass(frozen=True)
class Drift:
    """How far two models' outputs are apart, and the largest output. KL divergence (nats) and top-1 agreement where
    they are logits.
    """

    max_abs: float
    kl: float | None
    agreement: float | None
    similarity: float
    size: float = 1.0

    def close(self, settings: Settings) -> bool:
        """Whether it is rounding, in relation to the outputs' size."""
        return self.max_abs <= settings.tolerance * max(1.0, self.size)


class OutputDrift(Check):
    """The shipped model's outputs against the source's on the same texts.

    Thresholds only where the user set them, and where attention is the source's own: there both are the same.
    """

    name = "drift"
    level = Level.DRIFT
    needs = ("weights", "code", "source", "tokenizer")

    def applies(self, subject: Subject) -> bool:
        return bool(drift_lengths(subject.lsg, subject.source_max_len))

    def memory(self, subject: Subject) -> int:
        length = _POSITIONS if subject.auto_class in _TOKEN_HEADS else subject.source_max_len
        return subject.model_bytes(2) + 4 * subject.logit_bytes(length)

    def measure(self, subject: Subject) -> Measurement:
        _require_a_source(subject)
        source, converted = subject.models.both()
        found: dict[int, Drift] = {}
        lengths = drift_lengths(subject.lsg, subject.source_max_len)
        with subject.reporter.stage("Measuring drift", len(lengths)) as advance:
            for number, length in enumerate(lengths):
                batch = subject.inputs.batch(length, number)
                with asking_the_source():
                    expected = outputs_at_positions(subject, source, batch)
                found[length] = measure_drift(expected, outputs_at_positions(subject, converted, batch))
                advance(1)
        return _judged(subject, found)


class DriftByPosition(Check):
    """Token by token over the whole length: the shipped model reading everything, the source reading windows."""

    name = "drift by position"
    level = Level.DRIFT
    needs = ("weights", "code", "source", "tokenizer")

    def applies(self, subject: Subject) -> bool:
        return subject.max_len > subject.lsg.dense_limit

    def memory(self, subject: Subject) -> int:
        return subject.model_bytes(2) + 40 * 4 * subject.width * max(subject.max_len, 2 * subject.source_max_len)

    def measure(self, subject: Subject) -> Measurement:
        _require_a_source(subject)
        found = resemblance(subject)
        inside, beyond, itself = (found.mean(line) for line in ("inside", "beyond", "itself"))
        measured = f"tokens resemble the source's by {inside:.3f} within its {subject.source_max_len} tokens"
        if beyond is not None:
            measured += f", {beyond:.3f} beyond"
        if itself is not None:
            measured += f" (the source itself, its window moved: {itself:.3f})"
        finite = all(value is None or value == value for value in (inside, beyond, itself))
        problem = None if finite else "not finite"
        return Measurement(None if finite else False, measured, None, problem, {BY_POSITION: found.as_dict()})


CHECKS: tuple[type[Check], ...] = (OutputDrift, DriftByPosition)


def _require_a_source(subject: Subject) -> None:
    """Raise NotRunError where there is no model that this one is to resemble."""
    if subject.no_parity:
        raise NotRunError(subject.no_parity)
    if subject.record.is_lsg_source:
        raise NotRunError(_LSG_SOURCE)


def measure_drift(expected: dict[str, torch.Tensor], actual: dict[str, torch.Tensor]) -> Drift:
    """How far `actual` outputs are from `expected` ones; each is [rows, ..., classes or width]."""
    import torch

    max_abs, size, divergences, agreements, similarities = 0.0, 0.0, list[float](), list[float](), list[float]()
    for name, reference in expected.items():
        ours, theirs = actual[name].float(), reference.float()
        gap = (ours - theirs).abs().nan_to_num(nan=float("inf"))
        max_abs, size = max(max_abs, float(gap.max())), max(size, float(theirs.abs().max()))
        similarities.append(float(torch.cosine_similarity(ours, theirs, dim=-1).mean()))
        if "logits" in name and ours.shape[-1] > 1:
            ours, theirs = ours.log_softmax(-1), theirs.log_softmax(-1)
            divergences.append(float((theirs.exp() * (theirs - ours)).sum(-1).mean()))
            agreements.append(float((ours.argmax(-1) == theirs.argmax(-1)).float().mean()))
    return Drift(
        max_abs,
        max(divergences) if divergences else None,
        min(agreements) if agreements else None,
        min(similarities) if similarities else float("nan"),
        size,
    )


def outputs_at_positions(subject: Subject, model: Any, batch: Batch) -> dict[str, torch.Tensor]:
    """The outputs of `model`; where a head works token by token over a vocabulary, at some positions only."""
    import torch

    if subject.auto_class not in _TOKEN_HEADS:
        return outputs_of(model, batch)
    length = batch.ids.shape[1]
    positions = torch.linspace(0, length - 1, min(length, _POSITIONS), device=batch.ids.device).long()
    with only_positions(model, positions):
        return outputs_of(model, batch)


def _judged(subject: Subject, found: dict[int, Drift]) -> Measurement:
    length, last = max(found.items())
    measured = f"at {length} tokens max |Δ| {last.max_abs:.2g}, cosine {last.similarity:.4f}"
    thresholds, problems = [], []
    settings = subject.settings
    if subject.is_exact_at_every_length:
        thresholds.append(f"{settings.tolerance:.0e}")
        problems += [f"|Δ| {each.max_abs:.1e} at {at} tokens" for at, each in found.items() if not each.close(settings)]
    asked = ((settings.max_kl, "kl", "KL", 1), (settings.min_agreement, "agreement", "top-1 agreement", -1))
    for threshold, field, title, sign in asked:
        measures = {at: getattr(drift, field) for at, drift in found.items() if getattr(drift, field) is not None}
        if measures:
            measured += f", {title} {measures[length]:.3g}"
        if threshold is None:
            continue
        thresholds.append(f"{title} {'≤' if sign > 0 else '≥'} {threshold:g}")
        if not measures:
            raise NotRunError(f"this model has no logits, so there is no {title} to hold against the threshold")
        worst = max(measures, key=lambda at: sign * measures[at])
        if not sign * measures[worst] <= sign * threshold:
            problems.append(f"{title} is {measures[worst]:.3g} at {worst} tokens")
    if any(drift.max_abs == float("inf") for drift in found.values()):
        problems.append("outputs are not finite")
    values = {"by_length": [{"length": at, **vars(drift)} for at, drift in found.items()]}
    passed = False if problems else True if thresholds else None
    return Measurement(passed, measured, ", ".join(thresholds) or None, "; ".join(problems) or None, values)
