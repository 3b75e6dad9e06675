"""Level 2, exact parity: up to the dense limit the folder's model computes what its source computes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
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

GREEDY_TOKENS = 8
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
        return subject.model_bytes() + subject.logit_bytes(2 * sum(lengths) + lengths[-1])

    def measure(self, subject: Subject) -> Measurement:
        options, of_source = self.options(subject), answers_of_source(subject)
        converted = subject.models.converted(**options)
        self.prepare(subject, converted)
        tolerance, worst, count = subject.settings.tolerance, Difference(0.0), 0
        with subject.reporter.stage("Comparing outputs", len(of_source.outputs)) as advance:
            for batch, expected in of_source.outputs:
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
        expected = answers_of_source(subject).greedy
        if isinstance(expected, NotRunError):
            raise expected
        try:
            converted = subject.models.converted(**self.options(subject))
            self.prepare(subject, converted)
        except NotRunError:
            converted = subject.models.converted(**WITHOUT_GLOBALS)
        batch = _greedy_batch(subject)
        with subject.reporter.stage("Comparing greedy decoding"):
            actual = greedy_tokens(converted, batch, GREEDY_TOKENS)
        same = expected == actual
        measured = f"{GREEDY_TOKENS} tokens {'equal' if same else 'differ'}"
        return Measurement(same, measured, "equal", None if same else f"greedy decoding of {batch.name}")


class WithoutGlobals(ExactParity):
    """Without globals, and with the first token a key like any other."""

    name = "parity, without globals"

    def options(self, subject: Subject) -> dict[str, Any]:
        if subject.other_positions:
            raise NotRunError(subject.other_positions)
        return WITHOUT_GLOBALS


CHECKS: tuple[type[Check], ...] = (AsShipped, GreedyDecoding, WithoutGlobals)


@dataclass(frozen=True)
class SourceAnswers:
    """What the source makes of the texts, and the tokens that it writes; where it cannot write, why not."""

    outputs: list[tuple[Batch, dict[str, Any]]]
    greedy: list[list[int]] | NotRunError | None


def answers_of_source(subject: Subject) -> SourceAnswers:
    """All that the checks of this level ask the source, asked once; afterwards its memory is free for the other model.

    Raises:
        NotRunError: the source does not load, or raises.
    """
    return subject.remember("answers of the source", lambda: _ask_the_source(subject))


def _ask_the_source(subject: Subject) -> SourceAnswers:
    source, batches = subject.models.source(), dense_batches(subject)
    outputs, greedy, writes = [], None, GreedyDecoding().applies(subject)
    with subject.reporter.stage("Asking the source", len(batches) + writes) as advance:
        for batch in batches:
            with asking_the_source():
                outputs.append((batch, outputs_of(source, batch)))
            advance(1)
        if writes:
            greedy = _greedy_tokens_of(source, subject)
            advance(1)
    subject.models.release_source()
    return SourceAnswers(outputs, greedy)


def _greedy_tokens_of(source: Any, subject: Subject) -> list[list[int]] | NotRunError:
    try:
        with asking_the_source():
            return greedy_tokens(source, _greedy_batch(subject), GREEDY_TOKENS, use_cache=_has_room_in_cache(source))
    except NotRunError as error:
        return error


def _has_room_in_cache(model: Any) -> bool:
    """Whether the library's cache has a place for every decoder layer: since 4.57 it is as deep as the encoder."""
    layers = max(getattr(model.config, name, None) or 0 for name in ("num_decoder_layers", "decoder_layers"))
    return layers <= getattr(model.config, "num_hidden_layers", layers)


def _greedy_batch(subject: Subject) -> Batch:
    """A short text: what the encoder makes of long ones, outputs tell."""
    return subject.inputs.batch(dense_lengths(subject.lsg, subject.exact_limit)[0], 0)


def dense_batches(subject: Subject) -> list[Batch]:
    """Texts at lengths up to the dense limit, each from another passage, one of them padded."""
    inputs, lengths = subject.inputs, dense_lengths(subject.lsg, subject.exact_limit)
    padded = len(lengths) // 2
    room = lengths[-1] - lengths[padded]
    return [
        inputs.batch(length, passage, padding=min(max(2, length // 3), room) if passage == padded else 0)
        for passage, length in enumerate(lengths)
    ]
