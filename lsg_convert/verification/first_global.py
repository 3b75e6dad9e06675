"""What row 0 of the global embeddings should be, in words of our own: the first token's embedding at position 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lsg_convert.sources.tensor_bytes import torch_dtype
from lsg_convert.verification.byte_comparison import values_of

if TYPE_CHECKING:
    import torch

    from lsg_convert.sources.checkpoint import Checkpoint
    from lsg_convert.verification.subject import Subject


@dataclass(frozen=True)
class FirstToken:
    """The parts whose float32 sum is the first token's embedding."""

    word: torch.Tensor
    scale: float
    position: Any  # a tensor, or 0.0 where the family has no position table
    types: list[torch.Tensor]

    def embedding(self) -> torch.Tensor:
        """The sum."""
        return self.word * self.scale + self.position + sum(self.types)

    def rounded(self, dtype: torch.dtype) -> FirstToken:
        """The same from tables that are stored in `dtype`."""
        position = self.position if isinstance(self.position, float) else self.position.to(dtype).float()
        types = [row.to(dtype).float() for row in self.types]
        return FirstToken(self.word.to(dtype).float(), self.scale, position, types)

    def lacking(self) -> dict[str, torch.Tensor]:
        """The sum without one of its parts, by what is left out."""
        sums = {"the scale of the word embeddings": self.word + self.position + sum(self.types)}
        sums["the position"] = self.word * self.scale + sum(self.types)
        for index in range(len(self.types)):
            others = sum(self.types[:index] + self.types[index + 1 :])
            sums["the token type"] = self.word * self.scale + self.position + others
        return sums


def first_token(subject: Subject, token: int) -> FirstToken:
    """The parts of the embedding of `token` at position 0, read from the source."""
    import torch

    from lsg_convert.plan.positions import SINUSOIDS

    plan, source = subject.plan, subject.source_weights
    config = plan.family.encoder_config(source.config)
    word = _row(source, plan.layout.word_embeddings, token)
    names = [plan.layout.name(name) for name in plan.family.type_tables]
    types = [_row(source, name, 0) for name in names if name in source.tensors]
    position: Any = 0.0
    for table in plan.family.positions_of(config)[:1]:
        name, row = plan.layout.name(table.tensor), table.offset(config)
        if name in source.tensors:
            position = _row(source, name, row)
        elif (formula := table.formula(config)) is not None:
            position = SINUSOIDS[formula](torch.tensor([row]), len(word))[0]
    return FirstToken(word, plan.family.word_scale(config), position, types)


def _row(source: Checkpoint, table: str, number: int) -> torch.Tensor:
    """One row of a table, [width] in float32; the table is as large as half a model."""
    return values_of(source.stored_rows(table)[number], torch_dtype(source.tensors[table].dtype)).float()
