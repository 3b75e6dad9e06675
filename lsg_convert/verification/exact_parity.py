"""Level 2, exact parity: up to the dense limit the folder's model computes what its source computes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lsg_convert.plan.special_tokens import special_tokens
from lsg_convert.sources.tensor_bytes import torch_dtype
from lsg_convert.verification.check import Check
from lsg_convert.verification.compute import (
    Difference,
    asking_the_source,
    greedy_tokens,
    largest_difference,
    outputs_of,
)
from lsg_convert.verification.first_global import first_token
from lsg_convert.verification.inputs import Batch
from lsg_convert.verification.lengths import dense_lengths
from lsg_convert.verification.levels import Level
from lsg_convert.verification.result import Measurement, NotRunError

if TYPE_CHECKING:
    from lsg_convert.verification.subject import Subject

GREEDY_TOKENS = 16
_REMEMBERED = 32 * 2**20  # bytes of outputs for one batch that are kept, so that the next check need not compute them
WITHOUT_GLOBALS = {"num_global_tokens": 0, "mask_first_token": False}
# With these, the first global is the opening token, and everything it does the source's opening token did.
STAND_IN = {
    "num_global_tokens": 1,
    "mask_first_token": True,
    "pool_with_global": True,
    "pass_global_tokens_to_decoder": True,
}


class ExactParity(Check):
    """The models' outputs at several lengths, one text padded."""

    level = Level.EXACT
    needs = ("weights", "code", "source", "tokenizer")

    def options(self, subject: Subject) -> dict[str, Any]:
        """The attention options that the folder's model is loaded with."""
        raise NotImplementedError

    def prepare(self, subject: Subject, model: Any) -> None:
        """Last changes to the folder's model before it is compared."""

    def memory(self, subject: Subject) -> int:
        lengths = dense_lengths(subject.lsg, subject.exact_limit)
        remembered = (len(lengths) + 1) * min(_REMEMBERED, subject.logit_bytes(lengths[-1]))
        return subject.model_bytes(2) + 3 * subject.logit_bytes(lengths[-1]) + remembered

    def measure(self, subject: Subject) -> Measurement:
        source, converted = subject.models.both(**self.options(subject))
        self.prepare(subject, converted)
        tolerance, worst, count = subject.settings.tolerance, Difference(0.0), 0
        batches = dense_batches(subject)
        with subject.reporter.stage("Comparing outputs", len(batches)) as advance:
            for batch in batches:
                expected = _outputs_of_source(subject, source, batch)
                found = largest_difference(expected, outputs_of(converted, batch), batch, tolerance)
                worst = max(worst, found, key=lambda difference: difference.value)
                count += len(batch.ids)
                advance(1)
        passed, measured = worst.value <= tolerance, f"max |Δ| {worst} on {count} texts"
        measured += ", to the library's own model of these weights" * subject.own_weights
        values = {"max_abs": worst.value, "texts": count, "position": worst.position}
        return Measurement(passed, measured, f"{tolerance:.0e}", None if passed else worst.position, values)


class AsShipped(ExactParity):
    """With one global, which stands in for the opening token; with none where inputs open with no such token."""

    name = "parity, as shipped"

    def options(self, subject: Subject) -> dict[str, Any]:
        if subject.no_parity:
            raise NotRunError(subject.no_parity)
        if subject.record.is_lsg_source:
            raise NotRunError("the source is LSG itself: its globals are trained, no dense model computes them")
        if subject.is_exact_at_every_length:
            return {}
        if not subject.plan.global_is_bos:
            if subject.lsg.num_global_tokens:
                raise NotRunError("its globals stand in for no token: no dense model computes them")
            return {}
        shipped = asdict(subject.lsg)
        return {name: value for name, value in STAND_IN.items() if shipped[name] != value}

    def prepare(self, subject: Subject, model: Any) -> None:
        """Give global 0 the digits that its stored type had no room for; integrity has compared what is stored."""
        if not subject.plan.global_is_bos:
            return
        stored = torch_dtype(subject.weights.tensors[subject.plan.layout.global_embeddings].dtype)
        words = subject.source_weights.tensors[subject.plan.layout.word_embeddings].shape[0]
        token = first_token(subject, special_tokens(subject.tokenizer, words, subject.family).first)
        kept = token.embedding().to(stored)
        exact = token if subject.options.dtype == "keep" else token.rounded(stored)
        for name, table in model.state_dict().items():
            if name.endswith("global_embeddings.weight") and bool((table[0].cpu() == kept.to(table.dtype)).all()):
                table[0] = exact.embedding().to(table)


class GreedyDecoding(AsShipped):
    """The tokens that a generating model writes, as shipped; without globals where they stand in for no token."""

    name = "greedy decoding"

    def applies(self, subject: Subject) -> bool:
        return subject.auto_class == "AutoModelForSeq2SeqLM"

    def measure(self, subject: Subject) -> Measurement:
        try:
            source, converted = subject.models.both(**self.options(subject))
            self.prepare(subject, converted)
        except NotRunError:
            source, converted = subject.models.both(**WITHOUT_GLOBALS)
        batch = subject.inputs.batch(dense_lengths(subject.lsg, subject.exact_limit)[-1], 0)
        with subject.reporter.stage("Comparing greedy decoding"):
            # Without a cache: releases since 4.57 make it too small for a T5 with more layers in its decoder.
            with asking_the_source():
                expected = greedy_tokens(source, batch, GREEDY_TOKENS, use_cache=False)
            actual = greedy_tokens(converted, batch, GREEDY_TOKENS)
        same = expected == actual
        measured = f"{GREEDY_TOKENS} tokens {'equal' if same else 'differ'}"
        return Measurement(same, measured, "equal", None if same else f"greedy decoding of {batch.name}")


class WithoutGlobals(ExactParity):
    """Without globals, and with the first token a key like any other."""

    name = "parity, without globals"

    def options(self, subject: Subject) -> dict[str, Any]:
        return WITHOUT_GLOBALS


CHECKS: tuple[type[Check], ...] = (AsShipped, GreedyDecoding, WithoutGlobals)


def _outputs_of_source(subject: Subject, source: Any, batch: Batch) -> dict[str, Any]:
    size = subject.logit_bytes(batch.ids.numel())
    with asking_the_source():
        return subject.remember(
            f"source: {batch.name}" if size <= _REMEMBERED else None, lambda: outputs_of(source, batch)
        )


def dense_batches(subject: Subject) -> list[Batch]:
    """Texts at lengths up to the dense limit, in turn from different passages, and a shorter one padded."""
    inputs, lengths = subject.inputs, dense_lengths(subject.lsg, subject.exact_limit)
    batches = [inputs.batch(length, passage) for passage, length in enumerate(lengths)]
    length = lengths[len(lengths) // 2]
    padding = min(max(2, length // 3), lengths[-1] - length) or 0
    if padding:
        batches.append(inputs.batch(length, len(lengths), padding=padding))
    return batches
