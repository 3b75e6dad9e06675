"""Comparing a folder's tensors with its source's, in pieces."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, cast

from lsg_convert.folder.tensors import tensor_entries
from lsg_convert.plan.special_tokens import special_tokens
from lsg_convert.plan.tensor_plan import TensorPlan
from lsg_convert.sources.tensor_bytes import CHUNK, torch_dtype
from lsg_convert.verification.byte_comparison import RTOL, Comparer, first_difference, index_of, same_bytes, values_of
from lsg_convert.verification.first_global import first_token

if TYPE_CHECKING:
    import numpy

    from lsg_convert.verification.subject import Subject

_COMPUTED = ("new", "replace", "compute")


@dataclass
class TensorComparison:
    """How many tensors equal the source's, how many are as the conversion makes them, and what is wrong."""

    equal: int = 0
    rebuilt: int = 0
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def compare_tensors(subject: Subject) -> TensorComparison:
    """Compare every tensor of the folder: untouched ones with the source's bytes, others with the conversion's."""
    plan, weights = subject.plan, subject.weights
    planned = {tensor.name: tensor for tensor in plan.tensors}
    result = TensorComparison(
        missing=sorted(planned.keys() - weights.tensors.keys()), extra=sorted(weights.tensors.keys() - planned.keys())
    )
    changed = {}
    for name, info in weights.tensors.items():
        tensor = planned.get(name)
        if tensor is None:
            continue
        if not _looks_as_planned(subject, tensor):
            wanted = f"{tensor.dtype} {list(tensor.shape)}"
            result.wrong.append(f"{name} is {info.dtype} {list(info.shape)} instead of {wanted}")
        elif tensor.action != "copy":
            changed[name] = tensor
    copies = compare_copies(subject)
    result.equal = copies.count(None)
    problems = made_otherwise(subject, changed)
    result.rebuilt = problems.count(None)
    result.wrong += [problem for problem in (*copies, *problems) if problem is not None]
    return result


def compare_copies(subject: Subject) -> list[str | None]:
    """Compare the tensors that should have the source's bytes: what is wrong with each, None for nothing.

    It is done once, and takes no library: a conversion does it while torch and transformers are imported.
    """
    return subject.remember("copies of tensors", lambda: _compare_copies(subject))


def _compare_copies(subject: Subject) -> list[str | None]:
    tensors = subject.weights.tensors
    copies = [
        tensor
        for tensor in subject.plan.tensors
        if tensor.action == "copy" and tensor.name in tensors and _looks_as_planned(subject, tensor)
    ]
    total, problems = sum(tensors[tensor.name].nbytes for tensor in copies), list[str | None]()
    with subject.reporter.stage("Comparing tensors", total) as advance, ThreadPoolExecutor(_threads(subject)) as pool:
        for tensor, problem in zip(copies, pool.map(partial(_compare_copy, subject), copies), strict=True):
            problems.append(problem)
            advance(tensors[tensor.name].nbytes)
    return problems


def _looks_as_planned(subject: Subject, tensor: TensorPlan) -> bool:
    info = subject.weights.tensors[tensor.name]
    return info.shape == tensor.shape and info.dtype == tensor.dtype


def _threads(subject: Subject) -> int:
    """How many tensors are compared at a time: each is read from two files; files of `torch.save` have one reader."""
    checkpoints = (subject.weights, subject.source_weights)
    in_place = all(info.offset is not None for weights in checkpoints for info in weights.tensors.values())
    return 2 if in_place else 1


def _compare_copy(subject: Subject, tensor: TensorPlan) -> str | None:
    """What is wrong with a tensor that should have the source's bytes."""
    assert tensor.source is not None
    of_source, of_folder = subject.source_weights, subject.weights
    if same_bytes(of_source.chunks(tensor.source), of_folder.chunks(tensor.name)):
        return None
    expected, actual = of_source.stored(tensor.source), of_folder.stored(tensor.name)
    position = first_difference(expected, actual)
    if position is None:
        return f"{tensor.name} changed while it was read"
    return _describe(subject, tensor, expected, actual, position)


def made_otherwise(subject: Subject, changed: dict[str, TensorPlan]) -> list[str | None]:
    """Make the changed tensors once more, and compare with what is there: what is wrong with each, None for nothing."""
    problems: list[str | None] = []
    if not changed:
        return problems
    words = subject.source_weights.tensors[subject.plan.layout.word_embeddings].shape[0]
    tokens = special_tokens(subject.tokenizer, words, subject.plan.family)
    for entry in tensor_entries(subject.source_weights, subject.plan, subject.options, tokens):
        tensor = changed.get(entry.name)
        if tensor is None:
            continue
        is_globals = tensor.action in ("new", "replace")
        if is_globals and subject.plan.global_init == "random":
            problem = _drawn_globals(subject, tensor, tokens.first)
        else:
            actual = subject.weights.stored(entry.name)
            sink = Comparer(actual, tensor.shape, tensor.action not in _COMPUTED, tensor.dtype)
            entry.write(cast("BinaryIO", sink))
            problem = _kept_rows(subject, tensor) or sink.problem
        if problem is not None and is_globals:
            problem = _explain_globals(subject, tensor, tokens.first, problem)
        problems.append(problem and f"{tensor.name}: {problem}")
    return problems


def _kept_rows(subject: Subject, tensor: TensorPlan) -> str | None:
    """What is wrong with the rows of a longer position table that the source has too."""
    if tensor.source is None or tensor.action not in ("extend", "compute"):
        return None
    table = subject.source_weights.read(tensor.source)
    rows = subject.weights.read(tensor.name)
    kept = table.to(rows.dtype)
    different = (rows[: len(kept)] != kept).flatten(1).any(1)
    if not bool(different.any()):
        return None
    row = int(different.nonzero()[0])
    same = (kept == rows[row]).flatten(1).all(1).nonzero()
    holds = f", it holds row {int(same[0])}" if len(same) else ""
    return f"row {row} (position {row - tensor.offset}) is not the source's{holds}"


def _drawn_globals(subject: Subject, tensor: TensorPlan, token: int) -> str | None:
    """What is wrong with globals that were drawn at random: other machines draw others, but for row 0."""
    import torch

    table, rtol = subject.weights.read(tensor.name).float(), RTOL[tensor.dtype]
    if not bool(torch.isfinite(table).all()):
        return "not finite"
    first = torch.as_tensor(first_token(subject, token).embedding())
    return None if torch.allclose(table[0], first, rtol=rtol, atol=rtol) else "row 0 is not the first token's embedding"


def _explain_globals(subject: Subject, tensor: TensorPlan, token: int, problem: str) -> str:
    """Say what row 0 lacks, if it is the first token's embedding but for one of its parts."""
    import torch

    actual = subject.weights.read(tensor.name)[0].float()
    expected = first_token(subject, token)
    rtol = RTOL[tensor.dtype]
    complete = expected.embedding()
    for lacking, row in expected.lacking().items():
        if torch.allclose(actual, row, rtol=rtol, atol=rtol) and not torch.allclose(
            complete, row, rtol=rtol, atol=rtol
        ):
            return f"row 0 is the first token's embedding without {lacking}"
    return problem


def _describe(
    subject: Subject, tensor: TensorPlan, expected: numpy.ndarray, actual: numpy.ndarray, position: int
) -> str:
    """What a copied tensor holds instead of the source's values."""
    dtype = torch_dtype(tensor.dtype)
    for name, info in subject.source_weights.tensors.items():
        if name != tensor.source and info.shape == tensor.shape and info.dtype == tensor.dtype:
            other = subject.source_weights.stored(name)
            if first_difference(other[:CHUNK], actual[:CHUNK]) is None and first_difference(other, actual) is None:
                return f"{tensor.name} holds the source's {name}"
    element = position // dtype.itemsize
    values = [
        values_of(part[element * dtype.itemsize :][: dtype.itemsize], dtype).item() for part in (expected, actual)
    ]
    return f"{tensor.name} at {index_of(element, tensor.shape)} is {values[1]!r} instead of {values[0]!r}"
