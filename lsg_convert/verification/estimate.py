"""What a conversion and a verification will take on this machine, before they are done: disk, memory and time.

Disk follows from the plan, byte by byte for the tensors. Memory is a bound: what one of the two models that are
compared takes at most, in float32, and the outputs of both. Time is a guess, by rates that two cores of a server reach.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from math import prod

from lsg_convert.common.estimate import COMPUTING, IMPORTING, RUNTIME, SLACK, STARTING, Estimate
from lsg_convert.folder.auxiliary_files import AuxiliaryFiles
from lsg_convert.folder.remote_code import modeling_files, parts_of
from lsg_convert.plan.plan import Plan
from lsg_convert.sources.checkpoint import Checkpoint
from lsg_convert.verification.check import Check
from lsg_convert.verification.lengths import DEFAULT_SOURCE_LENGTH, dense_lengths
from lsg_convert.verification.levels import Level
from lsg_convert.verification.subject import Subject

_CARD, _RECORD, _RECORDED = 4_500, 4_500, 180  # bytes of card and picture, of the record, of a file or change in it
_HEADER = 90  # bytes of a tensor's line in the header, beside its name
_WRITER = 100 * 10**6  # Python and numpy
_BUFFERS = 2  # a tensor as it is read and as it is written
_CHECKING, _STRANGER = 5.0, 20.0  # seconds
_WRITING = 400e6  # bytes a second, hashed and flushed
_PASSES = 3  # of exact parity: the source, the folder as shipped, without globals
_TEXTS = 3_000  # tokens that all levels read by both models, beside long texts


def estimate_conversion(
    checkpoint: Checkpoint, plan: Plan, auxiliary: AuxiliaryFiles, *, verify: bool, cast: bool
) -> Estimate:
    """What converting `checkpoint` by `plan` will take; checks included if `verify`, in another type if `cast`."""
    disk = _disk(checkpoint, plan, auxiliary)
    largest = max((tensor.nbytes for tensor in plan.tensors), default=0)
    memory = _WRITER + _BUFFERS * largest
    seconds = STARTING + disk / _WRITING
    if verify:
        elements = sum(prod(tensor.shape) for tensor in plan.tensors)
        lengths = dense_lengths(plan.lsg, plan.source_max_len or DEFAULT_SOURCE_LENGTH)
        copies = 3 if cast else 1  # a source that is rounded as the folder was is there twice for a moment
        compared = _BUFFERS * largest  # by a second thread, whose memory is not given back to the system
        memory = int(SLACK * (RUNTIME + copies * 4 * elements + 4 * 4 * lengths[-1] * _logits(plan) + compared))
        seconds += IMPORTING + _CHECKING + 2 * disk / _WRITING + 2 * elements * _PASSES * sum(lengths) / COMPUTING
    return Estimate(disk, memory, seconds)


def _logits(plan: Plan) -> int:
    """How wide logits are: as many as there are word embeddings."""
    shapes = {tensor.name: tensor.shape for tensor in plan.tensors}
    return shapes.get(plan.layout.word_embeddings, (1,))[0]


def estimate_verification(subject: Subject, checks: Sequence[Check]) -> Estimate | None:
    """What running `checks` will take; None for a folder that is too broken to say: the checks say why."""
    try:
        elements = sum(prod(info.shape) for info in subject.weights.tensors.values())
        needed = max((check.memory(subject) for check in checks), default=0)
        alone = {check.level for check in checks} <= {Level.INTEGRITY}
    except Exception:  # of any kind, in a folder that is broken
        return None
    memory = int(SLACK * (RUNTIME + needed))
    tokens = 0 if alone else _TEXTS + 2 * subject.source_max_len + 4 * subject.max_len
    started = STARTING + IMPORTING + (0 if alone else _STRANGER)
    return Estimate(0, memory, started + 2 * 2 * elements * tokens / COMPUTING)


def _disk(checkpoint: Checkpoint, plan: Plan, auxiliary: AuxiliaryFiles) -> int:
    header = sum(len(tensor.name) + _HEADER for tensor in plan.tensors)
    code = sum(map(len, modeling_files(plan.family, parts_of(plan.lsg)).values()))
    config = len(json.dumps(plan.config, indent=2))
    copied = sum(_sizes(checkpoint, auxiliary))
    recorded = _RECORD + _RECORDED * (len(auxiliary.names) + 4 + len(plan.changes()))
    return plan.nbytes + header + code + config + copied + recorded + _CARD


def _sizes(checkpoint: Checkpoint, auxiliary: AuxiliaryFiles) -> Iterable[int]:
    """Bytes of the files that come along."""
    for name in auxiliary.names:
        yield (checkpoint.folder / name).stat().st_size
    for module in auxiliary.sentence_modules.modules if auxiliary.sentence_modules else ():
        folder = checkpoint.folder / module.path
        paths = [folder / "config.json", *([folder / module.weights] if module.weights else [])]
        yield from (path.stat().st_size for path in paths if path.is_file())
