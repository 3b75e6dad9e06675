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
    import torch

    inputs = subject.inputs
    special = inputs.num_special
    _, content = inputs.content(0, subject.max_len - special)
    drawn = torch.rand(len(content), generator=torch.Generator().manual_seed(0)) < _MASKED_SHARE
    window = min(subject.source_max_len - special, len(content))
    asked = drawn.nonzero()[:, 0].tolist()[: max(1, MOST_LOGIT_BYTES // subject.logit_bytes(1))]
    mask_token = subject.tokenizer.mask_token_id
    masked = [mask_token if hide else token for token, hide in zip(content, drawn.tolist(), strict=True)]

    def total(model: Any, start: int, end: int) -> tuple[float, int]:
        where = [i for i in asked if start <= i < end]
        if not where:
            return 0.0, 0
        batch = inputs.of_ids([inputs.frame(masked[start:end])], f"{end - start} tokens")
        positions = torch.tensor([i - start + len(inputs.prefix) for i in where], device=batch.ids.device)
        with only_positions(model, positions):
            logits = outputs_of(model, batch)["logits"][0]
        return _summed_loss(logits, [content[i] for i in where]), len(where)

    def mean(model: Any, length: int) -> float:
        parts = [total(model, start, min(start + length, len(content))) for start in range(0, len(content), length)]
        return sum(loss for loss, _ in parts) / max(1, sum(count for _, count in parts))

    with asking_the_source():
        expected = mean(source, window)
    return Losses(mean(converted, len(content)), subject.max_len, expected, window + special)


def loss_of_targets(subject: Subject, source: Any, converted: Any) -> Losses:
    """Write down how a text begins, teacher-forced: the long model has read all of it, the source its beginning."""
    import torch

    inputs = subject.inputs
    special = inputs.num_special
    _, content = inputs.content(0, subject.max_len - special)
    count = min(_TARGET_TOKENS, len(content), subject.source_max_len - 1)
    start = torch.tensor([[inputs.decoder_start, *inputs.prefix, *content[: count - 1 - len(inputs.prefix)]]])
    labels = [*inputs.prefix, *content[: count - len(inputs.prefix)]][: start.shape[1]]

    def mean(model: Any, length: int) -> float:
        batch = inputs.of_ids([inputs.frame(content[: length - special])], f"{length} tokens")
        batch = Batch(batch.name, batch.ids, batch.mask, start.to(batch.ids.device))
        return _summed_loss(outputs_of(model, batch)["logits"][0], labels) / len(labels)

    short = min(subject.source_max_len, subject.max_len)
    with asking_the_source():
        expected = mean(source, short)
    return Losses(mean(converted, subject.max_len), subject.max_len, expected, short)


def _summed_loss(logits: Any, tokens: list[int]) -> float:
    import torch

    targets = torch.tensor(tokens, device=logits.device)
    total = 0.0
    for part, wanted in zip(logits.split(64), targets.split(64), strict=True):  # over a large vocabulary rows are large
        total += float(torch.nn.functional.cross_entropy(part.float(), wanted, reduction="sum"))
    return total
