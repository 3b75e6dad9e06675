"""Level 5, reach: up to the full length outputs are finite, reproducible, and independent of padding and of company."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from lsg_convert.verification.check import Check
from lsg_convert.verification.compute import Difference, encoder_states, tensor_difference
from lsg_convert.verification.language_model import MOST_LOGIT_BYTES, loss_of_masked, loss_of_targets
from lsg_convert.verification.levels import Level
from lsg_convert.verification.resemblance import WHOLE_TEXT
from lsg_convert.verification.result import Measurement, NotRunError

if TYPE_CHECKING:
    import torch

    from lsg_convert.modeling.lsg_options import LSGOptions
    from lsg_convert.verification.subject import Subject

_STATES = 40  # tensors of [tokens, width] that a forward pass holds at its peak, about
_LOSSES = {"AutoModelForMaskedLM": loss_of_masked, "AutoModelForSeq2SeqLM": loss_of_targets}


class Reach(Check):
    """Something about the shipped model's encoder at the full length."""

    level = Level.REACH
    needs = ("weights", "code", "tokenizer")

    def memory(self, subject: Subject) -> int:
        return subject.model_bytes() + _STATES * 4 * subject.width * subject.max_len


class Reproducible(Reach):
    """Finite numbers, and the same ones again."""

    name = "finite and deterministic"

    def measure(self, subject: Subject) -> Measurement:
        import torch

        model, batch = subject.models.converted(), subject.inputs.batch(subject.max_len)
        with subject.reporter.stage(f"Reading {subject.max_len:,} tokens twice"):
            first = subject.remember(WHOLE_TEXT, lambda: encoder_states(model, batch))
            second = encoder_states(model, batch)
        finite = bool(torch.isfinite(first).all())
        difference = tensor_difference(first, second, batch, 0.0, "states")
        problems = [] if finite else ["not finite"]
        problems += [f"two runs differ: {difference.position}"] * bool(finite and difference.value > 0)
        measured = f"{subject.max_len:,} tokens: {'finite' if finite else 'not finite'}, two runs |Δ| {difference}"
        return Measurement(not problems, measured, "0", "; ".join(problems) or None, {"max_abs": difference.value})


class Together(Reach):
    """A text by itself against the same text in a batch with another one; the second of the two is padded."""

    row: ClassVar[int]
    what: ClassVar[str]

    def memory(self, subject: Subject) -> int:
        return 2 * super().memory(subject) - subject.model_bytes()

    def measure(self, subject: Subject) -> Measurement:
        inputs, padding = subject.inputs, _padding(subject)
        batch = inputs.batch(subject.max_len, rows=2, shorter=padding)
        alone = inputs.batch(subject.max_len - padding * self.row, self.row)
        model, tolerance = subject.models.converted(), subject.settings.tolerance

        def compare(remembered: bool) -> Difference:
            whole = WHOLE_TEXT if self.row == 0 else None
            expected = subject.remember(whole if remembered else None, lambda: encoder_states(model, alone))
            states = subject.remember("two texts" if remembered else None, lambda: encoder_states(model, batch))
            return tensor_difference(expected, states[self.row :][:1, : alone.ids.shape[1]], alone, tolerance, "states")

        with subject.reporter.stage(f"Reading {alone.ids.shape[1]:,} tokens, {self.what.format(padding=padding)}"):
            difference, note = compare(True), ""
            if difference.value > tolerance and chooses(subject.lsg):
                difference, note = _in_double(model, compare), " (in float64: a choice of keys was within rounding)"
        measured = f"|Δ| {difference} {self.what.format(padding=padding)}{note}"
        passed, values = difference.value <= tolerance, {"max_abs": difference.value}
        return Measurement(passed, measured, f"{tolerance:.0e}", None if passed else difference.position, values)


class BatchInvariant(Together):
    """A text gives the same alone and beside another one."""

    name = "batch-invariant"
    row, what = 0, "beside another text"


class PaddingInvariant(Together):
    """The same text with padding after it gives the same."""

    name = "padding-invariant"
    row, what = 1, "with {padding} tokens of padding"

    def measure(self, subject: Subject) -> Measurement:
        if subject.lsg.attend_masked_runs and subject.lsg.sparsity_type == "bos_pooling":
            raise NotRunError("attend_masked_runs: published checkpoints of this kind attend to padding")
        if not _padding(subject):
            raise NotRunError("its last block is global, and of one token: any padding would be another last block")
        return super().measure(subject)


class LanguageModelLoss(Check):
    """The loss at the full length beside the source's at its own: the number that says what the length is worth."""

    name = "loss"
    level = Level.REACH
    needs = ("weights", "code", "source", "tokenizer")

    def applies(self, subject: Subject) -> bool:
        return subject.auto_class in _LOSSES and not subject.record.is_lsg_source

    def memory(self, subject: Subject) -> int:
        states = _STATES * 4 * subject.width * subject.max_len
        return subject.model_bytes(2) + states + 2 * min(MOST_LOGIT_BYTES, subject.logit_bytes(subject.max_len // 6))

    def measure(self, subject: Subject) -> Measurement:
        source, converted = subject.models.both()
        with subject.reporter.stage("Measuring the loss"):
            found = _LOSSES[subject.auto_class](subject, source, converted)
        finite = found.long < float("inf") and found.source < float("inf")
        measured = f"{found.long:.3f} nats at {found.long_tokens:,} tokens; "
        short = "with dense attention, the same weights" if subject.own_weights else "source"
        measured += f"{short} {found.source:.3f} at {found.source_tokens:,}"
        problem, tolerance, passed = None if finite else "not finite", None, None if finite else False
        if finite and subject.is_exact_at_every_length and found.long_tokens == found.source_tokens:
            tolerance = f"{subject.settings.tolerance:.0e}"
            passed = abs(found.long - found.source) <= subject.settings.tolerance
            problem = None if passed else "attention is the source's own, but the loss is not"
        return Measurement(passed, measured, tolerance, problem, vars(found))


CHECKS: tuple[type[Check], ...] = (LanguageModelLoss, Reproducible, BatchInvariant, PaddingInvariant)


def _padding(subject: Subject) -> int:
    """Tokens of padding: more than a block, so that whole blocks of it occur, and not a multiple.

    A last block that is global has to stay the last one: there as many as leave a token in it.
    """
    block = subject.lsg.block_size
    if subject.lsg.has_global_ends:
        return (subject.max_len - 1) % block
    return min(block + block // 2 + 1, subject.max_len // 2)


def chooses(options: LSGOptions) -> bool:
    """Whether sparse tokens are chosen by comparing numbers, so that rounding can tip the balance between two."""
    return options.has_sparse and options.sparsity_type in ("norm", "lsh")


def _in_double(model: Any, compare: Any) -> Difference:
    """`compare` with the model in float64, where rounding tips nothing."""
    types: dict[str, torch.dtype] = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    model.double()
    try:
        return compare(False)
    finally:
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if name in types:
                tensor.data = tensor.data.to(types[name])
