"""The loss of a language model on long text, beside that of its source, which reads as much as it can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lsg_convert.verification.compute import asking_the_source, only_positions, outputs_of
from lsg_convert.verification.inputs import Batch

if TYPE_CHECKING:
    from lsg_convert.verification.subject import Subject

_MASKED_SHARE = 0.15
MOST_LOGIT_BYTES = 2**29  # of one reading, over a large vocabulary; what else is masked is not asked for
_TARGET_TOKENS = 128


@dataclass(frozen=True)
class Losses:
    """Mean loss in nats per token of the long model and of its source, and how much text each reads at once."""

    long: float
    long_tokens: int
    source: float
    source_tokens: int


def loss_of_masked(subject: Subject, source: Any, converted: Any) -> Losses:
    """Guess masked tokens of one long text: the long model reads all of it, the source windows of its own length."""
    special = subject.inputs.num_special
    _, content = subject.inputs.content(0, subject.max_len - special)
    window = min(subject.source_max_len - special, len(content))
    with asking_the_source():
        expected = masked_loss(subject, source, content, window)
    return Losses(masked_loss(subject, converted, content, len(content)), subject.max_len, expected, window + special)


def masked_loss(subject: Subject, model: Any, content: list[int], window: int, seed: int = 0) -> float:
    """Mean loss of guessing masked tokens of `content`, ids without special ones, read in windows of so many tokens."""
    import torch

    inputs = subject.inputs
    drawn = torch.rand(len(content), generator=torch.Generator().manual_seed(seed)) < _MASKED_SHARE
    asked = drawn.nonzero()[:, 0].tolist()[: max(1, MOST_LOGIT_BYTES // subject.logit_bytes(1))]
    mask_token = subject.tokenizer.mask_token_id
    masked = [mask_token if hide else token for token, hide in zip(content, drawn.tolist(), strict=True)]
    total, count = 0.0, 0
    for start in range(0, len(content), window):
        end = min(start + window, len(content))
        where = [i for i in asked if start <= i < end]
        if not where:
            continue
        batch = inputs.of_ids([inputs.frame(masked[start:end])], f"{end - start} tokens")
        positions = torch.tensor([i - start + len(inputs.prefix) for i in where], device=batch.ids.device)
        with only_positions(model, positions):
            logits = outputs_of(model, batch)["logits"][0]
        total, count = total + _summed_loss(logits, [content[i] for i in where]), count + len(where)
    return total / max(1, count)


def loss_of_targets(subject: Subject, source: Any, converted: Any) -> Losses:
    """Write down how a text begins, teacher-forced: the long model has read all of it, the source its beginning."""
    special = subject.inputs.num_special
    _, content = subject.inputs.content(0, subject.max_len - special)
    short = min(subject.source_max_len, subject.max_len)
    with asking_the_source():
        expected = targets_loss(subject, source, content, short - special)
    return Losses(
        targets_loss(subject, converted, content, subject.max_len - special), subject.max_len, expected, short
    )


def targets_loss(subject: Subject, model: Any, content: list[int], length: int) -> float:
    """Mean loss of writing down how `content`, ids without special ones, begins, having read so many tokens of it."""
    import torch

    inputs = subject.inputs
    count = min(_TARGET_TOKENS, len(content), subject.source_max_len - 1)
    start = torch.tensor([[inputs.decoder_start, *inputs.prefix, *content[: count - 1 - len(inputs.prefix)]]])
    labels = [*inputs.prefix, *content[: count - len(inputs.prefix)]][: start.shape[1]]
    batch = inputs.of_ids([inputs.frame(content[:length])], f"{length} tokens")
    batch = Batch(batch.name, batch.ids, batch.mask, start.to(batch.ids.device))
    return _summed_loss(outputs_of(model, batch)["logits"][0], labels) / len(labels)


def _summed_loss(logits: Any, tokens: list[int]) -> float:
    import torch

    targets = torch.tensor(tokens, device=logits.device)
    total = 0.0
    for part, wanted in zip(logits.split(64), targets.split(64), strict=True):  # over a large vocabulary rows are large
        total += float(torch.nn.functional.cross_entropy(part.float(), wanted, reduction="sum"))
    return total
