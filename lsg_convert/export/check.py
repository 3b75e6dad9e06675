"""Eager against onnxruntime: every output, at many lengths, alone and in a padded batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lsg_convert.common.memory import available_memory
from lsg_convert.export.parts import TARGET_LENGTH, Part

LENGTHS = (1, 64, 200, 256, 257, 1000, 4096)
BATCHES = (1, 3)
# Of the largest output, or of 1: what float32 sums in another order may differ by.
TOLERANCE = 1e-4
MOST_NUMBERS = 2**28  # of one output; where a batch has more, its texts are compared one by one
_ROWS = 2**9  # that are compared at a time: differences take memory too


@dataclass(frozen=True)
class Comparison:
    """How far a file's outputs are from eager's, at one length and batch. `tolerance` is None where it has none.

    ties: choices of keys that rounding decides, in texts of which no others were found: then there is no tolerance.
    """

    file: str
    tokens: int
    batch: int
    difference: float
    tolerance: float | None
    ties: int = 0

    @property
    def passed(self) -> bool | None:
        """Whether they agree; None where that is only measured."""
        return None if self.tolerance is None else self.difference <= self.tolerance


def lengths_for(longest: int) -> list[int]:
    """The lengths to compare at, for a model that takes so many tokens."""
    return [*(length for length in LENGTHS if length < longest), *([longest] if longest <= LENGTHS[-1] else [])]


class Session:
    """An ONNX file in onnxruntime, on the CPU."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._inputs = {item.name for item in self._session.get_inputs()}
        self.outputs = [item.name for item in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        """The outputs for these inputs; a graph may have no use for some."""
        given = {name: value.numpy() for name, value in inputs.items() if name in self._inputs}
        return [torch.from_numpy(output) for output in self._session.run(None, given)]


def largest_difference(
    ours: Sequence[Any], expected: Sequence[Any], visible: torch.Tensor | None
) -> tuple[float, float]:
    """The largest difference of outputs where they mean something, and the tolerance.

    visible: bool, the first dimensions of outputs that have one row for a token; others are compared whole.
    """
    difference, tolerance = 0.0, TOLERANCE
    for our, their in zip(ours, expected, strict=True):
        if our.shape != their.shape:
            return float("inf"), tolerance
        by_token = visible is not None and their.shape[: visible.dim()] == visible.shape
        rows = visible if visible is not None and by_token else torch.ones(their.shape[:1], dtype=torch.bool)
        pairs = (tensor.flatten(0, rows.dim() - 1).split(_ROWS) for tensor in (our, their))
        for kept, our_part, their_part in zip(rows.flatten().split(_ROWS), *pairs, strict=True):
            if not bool(torch.isfinite(our_part).all()):
                return float("inf"), tolerance
            if bool(kept.any()):
                their_part = their_part[kept]
                difference = max(difference, float((our_part[kept] - their_part).abs().max()))
                tolerance = max(tolerance, TOLERANCE * float(their_part.abs().max()))
    return difference, tolerance


def _fits(numbers: int) -> bool:
    """Whether an output of so many numbers fits into memory twice, and once more where onnxruntime arranges it."""
    available = available_memory()
    return numbers <= MOST_NUMBERS or available is None or 3 * 4 * numbers < available


Compare = Callable[[dict[str, torch.Tensor]], tuple[float, float]]
Make = Callable[[int, int], tuple[dict[str, torch.Tensor], int]]


def compare_whole(part: Part, session: Session) -> Compare:
    """What compares a model that is one graph."""

    def compare(inputs: dict[str, torch.Tensor]) -> tuple[float, float]:
        with torch.inference_mode():
            expected = part.module(*inputs.values())
        return largest_difference(session.run(inputs), expected, inputs["attention_mask"].bool())

    return compare


def compare_generating(model: Any, sessions: Mapping[str, Session]) -> Compare:
    """What compares encoder, first step and a later step of the decoder, with the whole model."""

    def compare(inputs: dict[str, torch.Tensor]) -> tuple[float, float]:
        batch = inputs["input_ids"].shape[0]
        targets = inputs["input_ids"][:, :1].expand(batch, TARGET_LENGTH)
        with torch.inference_mode():
            found = model(**inputs, decoder_input_ids=targets, return_dict=True)
        first, last = found.logits[:, :-1], found.logits[:, -1:]
        (states,) = sessions["encoder_model"].run(inputs)
        given = {"encoder_attention_mask": inputs["attention_mask"], "encoder_hidden_states": states}
        decoder = sessions["decoder_model"]
        logits, *cache = decoder.run({**given, "input_ids": targets[:, :-1].contiguous()})
        names = [name.replace("present", "past_key_values") for name in decoder.outputs[1:]]
        past = {**given, **dict(zip(names, cache, strict=True)), "input_ids": targets[:, -1:].contiguous()}
        step = sessions["decoder_with_past_model"].run(past)[0]
        return largest_difference([logits, step], [first, last], None)

    return compare


def compare_all(
    compare: Compare,
    make: Make,
    file: str,
    lengths: Sequence[int],
    width: int,
    has_tolerance: bool,
    advance: Callable[[int], None],
) -> list[Comparison]:
    """Compare at all lengths and batches. width: numbers of output for a token; make: see `ClearTexts.make`."""
    rows = []
    for length in lengths:
        for batch in BATCHES:
            made, ties = make(batch, length)
            parts = [made]
            if batch * length * width > MOST_NUMBERS:
                parts = [{name: value[row : row + 1] for name, value in made.items()} for row in range(batch)]
            if _fits(batch // len(parts) * length * width):
                differences, tolerances = zip(*map(compare, parts), strict=True)
                tolerance = max(tolerances) if has_tolerance and not ties else None
                rows.append(Comparison(file, length, batch, max(differences), tolerance, ties))
            advance(1)
    return rows
