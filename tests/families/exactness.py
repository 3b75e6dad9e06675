"""How far a default conversion is from its source, from the tokenizer to every output, up to the dense limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import transformers

from tests.families.pairs import DENSE_LIMIT, Pair, compared
from tests.texts import LINES

TEXT = " ".join(LINES)
LENGTHS = (3, 4, 5, 8, 13, 15, 16, 17, 24, 31, DENSE_LIMIT)
PADDED = ("whole", "right", "left")


@dataclass(frozen=True)
class Exactness:
    """The largest difference of any output, and the largest number among the source's outputs."""

    difference: float
    size: float
    inputs: int


@torch.no_grad()
def measure(made: Pair) -> Exactness:
    """Two texts of every length, the second one whole, or shorter and padded on one side or the other."""
    difference = size = 0.0
    inputs = 0
    for length in LENGTHS:
        for way in PADDED:
            given = tokenize(made, (length, length if way == "whole" else max(3, length // 2)), way)
            if made.family.is_seq2seq:
                given["decoder_input_ids"] = given["input_ids"][:, :5]
            source = made.source(**given, output_hidden_states=True)
            ours = made.converted(**given, output_hidden_states=True)
            for _, one, other in compared(ours, source, made.num_globals_in_encoder_states):
                difference = max(difference, (one - other).abs().max().item())
                size = max(size, other.abs().max().item())
            inputs += 1
    return Exactness(difference, size, inputs)


def tokenize(made: Pair, lengths: tuple[int, int], way: str) -> dict[str, torch.Tensor]:
    """Two texts of up to so many tokens, as a user gives them to the source."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(made.source_folder)
    ours = transformers.AutoTokenizer.from_pretrained(made.folder)
    special = way != "bare"
    rows = []
    for number, length in enumerate(lengths):
        arguments: dict[str, Any] = {"truncation": True, "max_length": length, "add_special_tokens": special}
        text = TEXT[number * 7 :]
        row = tokenizer(text, **arguments)
        assert row == ours(text, **arguments), "the folder's tokenizer is not the source's"
        rows.append(row)
    sides = {"left": "left", "right": "right"}
    tokenizer.padding_side = sides.get(way, "right")
    if way == "one token":
        rows = [{name: value[:1] for name, value in row.items()} for row in rows]
    return dict(tokenizer.pad(rows, return_tensors="pt"))
