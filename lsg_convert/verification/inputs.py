"""Inputs made of real text: batches of exactly so many tokens, framed as the tokenizer frames them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lsg_convert.common.errors import RequestError
from lsg_convert.families import Family
from lsg_convert.verification.texts import Text

if TYPE_CHECKING:
    import torch

TARGET_TOKENS = 24
QUESTION = "Who?"
_TAKE_TARGETS = ("AutoModel", "AutoModelForSeq2SeqLM")  # other heads of seq2seq models shift the input themselves


@dataclass(frozen=True)
class Batch:
    """Model inputs: ids and mask [rows, tokens], whatever shape the head wants them in; `name` is for people.

    marked: bool [rows, tokens], tokens that are to be global; None where none is.
    """

    name: str
    ids: torch.Tensor
    mask: torch.Tensor
    targets: torch.Tensor | None = None
    as_choices: bool = False
    marked: torch.Tensor | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """What the model's forward takes."""
        tokens = {"input_ids": self.ids, "attention_mask": self.mask}
        if self.as_choices:
            return {name: tensor.unsqueeze(1) for name, tensor in tokens.items()}
        return tokens if self.targets is None else {**tokens, "decoder_input_ids": self.targets}


@dataclass
class Inputs:
    """Makes batches of `text` for models of one kind, by their `tokenizer`.

    `rows` are those of the word embeddings, where they are known; `decoder_start` is the token that a decoder begins
    with, None for models that take no decoder inputs; `as_choices` is how heads for multiple choice want them; with
    `after_question` every text stands behind `QUESTION`, as the tokenizer sets a pair.
    """

    tokenizer: Any
    text: Text
    rows: int | None = None
    decoder_start: int | None = None
    as_choices: bool = False
    after_question: bool = False
    device: str = "cpu"
    _contents: dict[int, tuple[str, list[int]]] = field(default_factory=dict)

    def batch(self, length: int, passage: int = 0, rows: int = 1, padding: int = 0, shorter: int = 0) -> Batch:
        """`rows` texts of `length` tokens, the special ones included, each from another passage on and by `shorter`
        tokens shorter than the one before it; then `padding`.
        """
        names, ids = [], []
        for row in range(rows):
            name, content = self.content(passage + row, length - row * shorter - self.num_special)
            names.append(name)
            ids.append(self.frame(content))
        padded = f", padded to {length + padding}" if padding else ""
        return self.of_ids(ids, f"{', '.join(names)}, {length} tokens{padded}", padding)

    def of_ids(self, rows: list[list[int]], name: str, padding: int = 0) -> Batch:
        """A batch of token ids, shorter rows and all of them by `padding` padded on the right."""
        import torch

        pad, length = self.tokenizer.pad_token_id or 0, max(map(len, rows)) + padding
        ids = torch.tensor([row + [pad] * (length - len(row)) for row in rows], device=self.device)
        mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows], device=self.device)
        return Batch(name, ids, mask, self._targets(rows), self.as_choices)

    def content(self, passage: int, count: int) -> tuple[str, list[int]]:
        """Name of a passage and `count` ids of text from there on, without special tokens; repeated where it ends.

        Raises:
            RequestError: the tokenizer gives ids that the embeddings have no rows for.
        """
        name, ids = self._passage(passage)
        return name, (ids * (max(count, 0) // len(ids) + 1))[: max(count, 0)]

    def tokens_of(self, passage: int) -> int:
        """How many tokens there are of text from a passage on before it repeats."""
        return len(self._passage(passage)[1])

    def _passage(self, passage: int) -> tuple[str, list[int]]:
        if passage not in self._contents:
            name, text = self.text.starting_with(passage)
            ids = self._known(list(self.tokenizer(text, add_special_tokens=False, truncation=False)["input_ids"]))
            if not ids:
                raise RequestError("the tokenizer makes no tokens of the text")
            if self.rows is not None and max(ids) >= self.rows:
                raise RequestError(f"the tokenizer gives id {max(ids)}, but the embeddings have {self.rows} rows")
            self._contents[passage] = (name, ids)
        return self._contents[passage]

    def _known(self, ids: list[int]) -> list[int]:
        """`ids` without the unknown token, unless that leaves less than half of them.

        A script that the vocabulary lacks is one token again and again: keys that all are equal. Rounding alone then
        moves the logits of a trained model by more than the tolerance, the source's as much as ours.
        """
        unknown = getattr(self.tokenizer, "unk_token_id", None)
        known = [token for token in ids if token != unknown]
        return known if 2 * len(known) >= len(ids) else ids

    def frame(self, content: list[int]) -> list[int]:
        """`content` between what the tokenizer puts around a text: special tokens, and a question if there is one."""
        return [*self.prefix, *content, *self.suffix]

    @property
    def prefix(self) -> list[int]:
        """The tokens before a text."""
        return self._special[0]

    @property
    def suffix(self) -> list[int]:
        """Special tokens after a text."""
        return self._special[1]

    @property
    def num_special(self) -> int:
        """How many special tokens there are around a text."""
        return len(self.prefix) + len(self.suffix)

    @cached_property
    def _special(self) -> tuple[list[int], list[int]]:
        text = self.text.starting_with(0)[1][:200]
        framed = list(self.tokenizer(*[QUESTION] * self.after_question, text)["input_ids"])
        plain = list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        for start in reversed(range(len(framed) - len(plain) + 1)):
            if framed[start : start + len(plain)] == plain:
                return framed[:start], framed[start + len(plain) :]
        return [], []

    def _targets(self, rows: list[list[int]]) -> torch.Tensor | None:
        """Decoder inputs, teacher-forced: the text itself after the decoder's start token."""
        import torch

        if self.decoder_start is None:
            return None
        count = min(TARGET_TOKENS, min(map(len, rows)))
        return torch.tensor([[self.decoder_start, *row[: count - 1]] for row in rows], device=self.device)


def takes_targets(family: Family, architecture: str) -> bool:
    """Whether a model of the library's class `architecture` wants decoder inputs."""
    import transformers

    if not family.is_seq2seq or family.heads[architecture].auto_class not in _TAKE_TARGETS:
        return False
    return "decoder_input_ids" in inspect.signature(getattr(transformers, architecture).forward).parameters
