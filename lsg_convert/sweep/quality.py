"""What is compared: the loss on the user's text, a task's figures, or likeness to the source; piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from lsg_convert.common.errors import RequestError
from lsg_convert.sweep.tasks import Task
from lsg_convert.verification.compute import asking_the_source
from lsg_convert.verification.drift import measure_drift, outputs_at_positions
from lsg_convert.verification.language_model import masked_loss, targets_loss
from lsg_convert.verification.resemblance import likeness

if TYPE_CHECKING:
    from lsg_convert.verification.subject import Subject

LOSSES: dict[str, Callable[[Subject, Any, list[int], int], float]] = {
    "AutoModelForMaskedLM": masked_loss,
    "AutoModelForSeq2SeqLM": targets_loss,
}


class Quality(Protocol):
    """A measure of a model, in pieces that can be measured one by one."""

    name: str
    higher_is_better: bool

    @property
    def pieces(self) -> int:
        """How many pieces there are."""
        ...

    def measure(self, model: Any, piece: int) -> dict[str, float]:
        """The figures of one piece; the first one is what is compared."""
        ...

    def reference(self) -> dict[str, float] | None:
        """What the source has, reading as much as it can; None where nobody can say."""
        ...


@dataclass
class Loss:
    """Nats per token of a language model that reads pieces of text at the full length."""

    subject: Subject
    length: int
    most: int
    name = "loss"
    higher_is_better = False

    @cached_property
    def pieces(self) -> int:
        """As many as the text fills, one at least, and no more than were asked for."""
        return max(1, min(self.most, self.subject.inputs.tokens_of(0) // self._room))

    @property
    def _room(self) -> int:
        return self.length - self.subject.inputs.num_special

    def content(self, piece: int) -> list[int]:
        """The ids of one piece, without special ones."""
        _, content = self.subject.inputs.content(0, (piece + 1) * self._room)
        return content[piece * self._room :]

    def measure(self, model: Any, piece: int) -> dict[str, float]:
        """The loss of one piece."""
        loss = LOSSES[self.subject.auto_class](self.subject, model, self.content(piece), self._room)
        return {self.name: loss}

    def reference(self) -> dict[str, float] | None:
        """The source's, which reads windows of its own length, or the beginning."""
        if self.subject.lacks("source"):
            return None
        source = self.subject.models.source()
        short = min(self.subject.source_max_len, self.length) - self.subject.inputs.num_special
        with asking_the_source():
            losses = [
                LOSSES[self.subject.auto_class](self.subject, source, self.content(piece), short)
                for piece in range(self.pieces)
            ]
        return {self.name: sum(losses) / len(losses)}


@dataclass
class References:
    """Figures of a task, in percent: what the model makes of each row against its reference."""

    subject: Subject
    task: Task
    length: int
    higher_is_better = True

    @property
    def name(self) -> str:
        """The figure that is compared."""
        return self.task.kind.compared

    @property
    def pieces(self) -> int:
        """The rows."""
        return len(self.task.rows)

    def measure(self, model: Any, piece: int) -> dict[str, float]:
        """The figures of one row."""
        return self._figures(model, piece, self.length)

    def reference(self) -> dict[str, float] | None:
        """The source's, which reads the beginning of each text, or windows of its context."""
        if self.subject.lacks("source"):
            return None
        short = min(self.subject.source_max_len, self.length)
        with asking_the_source():
            source = self.subject.models.source()
            return means([self._figures(source, piece, short) for piece in range(self.pieces)])

    def _figures(self, model: Any, piece: int, length: int) -> dict[str, float]:
        row = self.task.rows[piece]
        return self.task.kind.figures(row, self.task.kind.answer(model, self.subject.tokenizer, row, length))


@dataclass
class Likeness:
    """How much token vectors resemble the source's, which reads the same text in windows: 1 is the same."""

    subject: Subject
    length: int
    most: int
    name = "likeness"
    higher_is_better = True

    def __post_init__(self) -> None:
        """Raise RequestError where there is nothing to resemble."""
        reason = self.subject.lacks("source")
        if reason:
            raise RequestError(
                f"without a language model's head text says something beside the source only, and {reason}.",
                "Name the source with --source, or give references with --task.",
            )

    @cached_property
    def pieces(self) -> int:
        """As `Loss` has it."""
        return Loss(self.subject, self.length, self.most).pieces

    def measure(self, model: Any, piece: int) -> dict[str, float]:
        """The mean over all tokens of one piece."""
        content = Loss(self.subject, self.length, self.most).content(piece)
        return {self.name: likeness(self.subject, model, content, f"the source's states of piece {piece}")}

    def reference(self) -> dict[str, float] | None:
        """The source resembles itself."""
        return {self.name: 1.0}


def agreement_with_source(subject: Subject, model: Any) -> dict[str, float]:
    """A model's outputs beside the source's at the source's own maximum: top-1 agreement of logits, and cosine."""
    length = min(subject.source_max_len, subject.max_len)
    batch = subject.inputs.batch(length)

    def of_source() -> Any:
        with asking_the_source():
            return outputs_at_positions(subject, subject.models.source(), batch)

    expected = subject.remember("the source's outputs at its maximum", of_source)
    found = measure_drift(expected, outputs_at_positions(subject, model, batch))
    values = {"agreement": found.agreement, "cosine": found.similarity}
    return {name: value for name, value in values.items() if value is not None}


def means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of every figure."""
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]} if rows else {}
