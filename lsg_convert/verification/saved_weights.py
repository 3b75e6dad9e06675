"""A converted model that was saved again: are its weights still its source's, and what is it held against.

Where they are not, the source computes something else. What is left is the model itself: the library's own dense class,
with the same weights, computes the same without globals up to the dense limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from lsg_convert.common.errors import LSGConvertError
from lsg_convert.folder.record import Record, SavedAgain
from lsg_convert.plan.options import ConvertOptions, Dtype
from lsg_convert.sources.checkpoint import Checkpoint
from lsg_convert.sources.resolve import Source
from lsg_convert.verification.subject import SavedWeights, Subject
from lsg_convert.verification.tensor_comparison import made_otherwise

_DTYPES: dict[str, Dtype] = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def subject_of_saved(subject: Subject) -> Subject:
    """`subject`, a folder that was saved again, as it can be verified: against its source, or its own weights."""
    source, reason = subject.source, subject.lacks("source") or subject.lacks("weights")
    saved = subject.record.saved
    assert saved is not None
    if source is None or reason is not None:
        return _by_its_own_weights(subject, subject.record, None, f"compared with nothing: {reason}")
    options = replace(subject.options, dtype=_dtype(subject))
    subject = replace(subject, record=replace(subject.record, options=options))
    try:
        found = _compare(subject)
    except LSGConvertError as error:
        return _by_its_own_weights(subject, subject.record, None, f"compared with nothing: {error.message}")
    name = source.repo_id or source.name
    trained = found.different > 0 or found.new > 0  # a new head computes what no head of the source does
    record = replace(subject.record, saved=SavedAgain(saved.by, trained, name))
    if trained or not found.equal:
        return _by_its_own_weights(subject, record, found, f"compared with {name}")
    return replace(subject, record=record, compared=found)


def _by_its_own_weights(subject: Subject, record: Record, found: SavedWeights | None, why: str) -> Subject:
    """The folder as its own source: dense, by the library's class."""
    options = ConvertOptions(architecture=record.library_class)
    own = Source(subject.folder.resolve().name, subject.folder)
    record = replace(record, options=options)
    return replace(subject, record=record, source=own, own_weights=True, compared=found, no_source=why)


def _dtype(subject: Subject) -> Dtype:
    """The type that the weights were rounded to; keep where it is the source's."""
    own, theirs = (
        {info.dtype for info in checkpoint.tensors.values()} & _DTYPES.keys()
        for checkpoint in (subject.weights, subject.source_weights)
    )
    return _DTYPES[next(iter(own))] if len(own) == 1 and own != theirs else "keep"


def _compare(subject: Subject) -> SavedWeights:
    """Every tensor of the folder beside the one that the conversion would make of the source."""
    plan, prefix = subject.plan, f"{subject.family.base_prefix}."
    planned = {tensor.name.removeprefix(prefix): tensor for tensor in plan.tensors}
    names = {name: planned.get(name.removeprefix(prefix)) for name in subject.weights.tensors}
    differences: list[float] = []
    changed = {}
    with subject.reporter.stage("Comparing weights", len(names)) as advance:
        for name, tensor in names.items():
            if tensor is not None and tensor.action in ("copy", "cast"):
                assert tensor.source is not None
                differences.append(_difference(subject.weights, name, subject.source_weights, tensor.source))
            elif tensor is not None and tensor.shape == subject.weights.tensors[name].shape:
                changed[tensor.name] = replace(subject.weights.tensors[name], name=tensor.name)
            elif tensor is not None:
                differences.append(float("inf"))
            advance(1)
    if not any(differences):  # a model whose globals alone were trained
        tokenizer = subject.source_tokenizer if subject.lacks("tokenizer") else subject.tokenizer
        weights, subject = subject.weights, replace(subject)
        subject.weights, subject.tokenizer = replace(weights, tensors=changed), tokenizer
        problems = made_otherwise(subject, {each.name: each for each in plan.tensors if each.name in changed})
        differences += [float("nan") if problem else 0.0 for problem in problems]
    return SavedWeights(
        equal=sum(value == 0 for value in differences),
        different=sum(value != 0 for value in differences),
        new=sum(tensor is None for tensor in names.values()),
        largest=_largest(differences),
    )


def _largest(values: Iterable[float]) -> float:
    """The largest that is a number."""
    return max((value for value in values if value == value), default=0.0)


def _difference(weights: Checkpoint, name: str, source: Checkpoint, other: str) -> float:
    """How far a tensor is from the source's, in its own type; infinite where they cannot be compared."""
    ours, theirs = weights.read(name), source.read(other)
    if ours.shape != theirs.shape:
        return float("inf")
    gap: Any = (ours.float() - theirs.to(ours.dtype).float()).abs()
    return float(gap.nan_to_num(nan=float("inf")).max()) if gap.numel() else 0.0
