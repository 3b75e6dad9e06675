"""From a plan to the tensors of the output, each produced when its turn to be written comes."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, BinaryIO
from typing import cast as cast_type

from lsg_convert.folder.global_tokens import EmbeddingTables, global_embeddings
from lsg_convert.folder.writer import FileRange, TensorEntry
from lsg_convert.plan.options import ConvertOptions
from lsg_convert.plan.plan import Plan
from lsg_convert.plan.positions import check_sinusoids, sinusoids, source_rows
from lsg_convert.plan.special_tokens import SpecialTokens
from lsg_convert.plan.tensor_plan import TensorPlan
from lsg_convert.sources.checkpoint import Checkpoint
from lsg_convert.sources.floats import converted, from_float32, to_float32
from lsg_convert.sources.safetensors_header import DTYPE_SIZES

if TYPE_CHECKING:
    import numpy

_ROWS_PER_CHUNK = 4096


def tensor_entries(
    checkpoint: Checkpoint, plan: Plan, options: ConvertOptions, special_tokens: SpecialTokens
) -> list[TensorEntry]:
    """One entry a planned tensor; nothing is read before an entry is written."""

    def copy(tensor: TensorPlan, out: BinaryIO) -> None:
        checkpoint.copy_bytes(_source(tensor), out)

    def cast(tensor: TensorPlan, out: BinaryIO) -> None:
        casting = _Casting(out, checkpoint.tensors[_source(tensor)].dtype, tensor.dtype)
        checkpoint.copy_bytes(_source(tensor), cast_type("BinaryIO", casting))

    def extend(tensor: TensorPlan, out: BinaryIO) -> None:
        _write_extended(checkpoint, plan, tensor, out)

    def compute(tensor: TensorPlan, out: BinaryIO) -> None:
        _write_sinusoids(checkpoint, tensor, out)

    def new(tensor: TensorPlan, out: BinaryIO) -> None:
        out.write(_globals(checkpoint, plan, options, special_tokens, tensor.dtype).data)

    def replace(tensor: TensorPlan, out: BinaryIO) -> None:
        rows = _globals(checkpoint, plan, options, special_tokens, tensor.dtype)
        if options.keep_first_global_token:
            kept = _stored_rows(checkpoint, _source(tensor))[0]
            rows[0] = converted(kept, checkpoint.tensors[_source(tensor)].dtype, tensor.dtype)
        out.write(rows.data)

    def zeros(tensor: TensorPlan, out: BinaryIO) -> None:
        out.write(bytes(prod(tensor.shape) * DTYPE_SIZES[tensor.dtype]))

    produce: dict[str, Callable[[TensorPlan, BinaryIO], None]] = {
        "copy": copy,
        "cast": cast,
        "extend": extend,
        "compute": compute,
        "new": new,
        "replace": replace,
        "zeros": zeros,
    }
    return [
        TensorEntry(
            tensor.name,
            tensor.dtype,
            tensor.shape,
            lambda out, tensor=tensor: produce[tensor.action](tensor, out),  # type: ignore[misc]
            _place(checkpoint, tensor),
        )
        for tensor in plan.tensors
    ]


class _Casting:
    """Takes bytes of one dtype, whole numbers at a time, and writes them to `out` in another."""

    def __init__(self, out: BinaryIO, before: str, after: str) -> None:
        self._out, self._before, self._after = out, before, after

    def write(self, chunk: bytes) -> int:
        """Cast and write the next bytes."""
        import numpy

        self._out.write(converted(numpy.frombuffer(chunk, dtype=numpy.uint8), self._before, self._after).data)
        return len(chunk)


def _write_extended(checkpoint: Checkpoint, plan: Plan, tensor: TensorPlan, out: BinaryIO) -> None:
    """Write a position table whose further rows repeat the source's."""
    dtype = checkpoint.tensors[_source(tensor)].dtype
    table = _stored_rows(checkpoint, _source(tensor))
    target_length = tensor.shape[0] - tensor.offset
    rows = source_rows(plan.positions, tensor.source_length, target_length, tensor.offset)
    for start in range(0, len(rows), _ROWS_PER_CHUNK):
        out.write(converted(table[rows[start : start + _ROWS_PER_CHUNK]], dtype, tensor.dtype).data)


def _write_sinusoids(checkpoint: Checkpoint, tensor: TensorPlan, out: BinaryIO) -> None:
    """Write a table of sinusoids, the source's rows first."""
    assert tensor.sinusoid is not None
    table = _float_rows(checkpoint, _source(tensor))
    check_sinusoids(_source(tensor), table, tensor.sinusoid)
    out.write(from_float32(table, tensor.dtype).data)
    for start in range(len(table), tensor.shape[0], _ROWS_PER_CHUNK):
        stop = min(start + _ROWS_PER_CHUNK, tensor.shape[0])
        out.write(from_float32(sinusoids(tensor.sinusoid, start, stop, table.shape[1]), tensor.dtype).data)


def _source(tensor: TensorPlan) -> str:
    assert tensor.source is not None
    return tensor.source


def _place(checkpoint: Checkpoint, tensor: TensorPlan) -> FileRange | None:
    """Where a tensor that does not change lies in the source, if that is safetensors."""
    if tensor.action != "copy":
        return None
    info = checkpoint.tensors[_source(tensor)]
    return None if info.offset is None else FileRange(info.file, info.offset)


def _stored_rows(checkpoint: Checkpoint, name: str) -> numpy.ndarray:
    """A table's rows as they are stored, uint8 [n, bytes of a row]."""
    rows: numpy.ndarray = checkpoint.stored(name).reshape(checkpoint.tensors[name].shape[0], -1)
    return rows


def _float_rows(checkpoint: Checkpoint, name: str) -> numpy.ndarray:
    """A table's rows, float32 [n, width]."""
    return to_float32(_stored_rows(checkpoint, name), checkpoint.tensors[name].dtype)


def _globals(
    checkpoint: Checkpoint, plan: Plan, options: ConvertOptions, special_tokens: SpecialTokens, dtype: str
) -> numpy.ndarray:
    """The rows of the global embeddings as bytes of `dtype`, uint8 [512, bytes of a row]."""
    family, layout = plan.family, plan.layout
    words = checkpoint.tensors[layout.word_embeddings]
    type_tables = [layout.name(name) for name in family.type_tables if layout.name(name) in checkpoint.tensors]
    tables = EmbeddingTables(
        words=checkpoint.stored_rows(layout.word_embeddings),
        dtype=words.dtype,
        positions=_positions(checkpoint, plan, words.shape[1]),
        types=[_float_rows(checkpoint, name)[0] for name in type_tables],
        word_scale=family.word_scale(family.encoder_config(checkpoint.config)),
    )
    rows = global_embeddings(
        tables,
        first_token=special_tokens.first,
        mask_token=special_tokens.mask,
        positional_stride=options.global_positional_stride,
        init=plan.global_init,
        seed=options.seed,
    )
    return from_float32(rows, dtype)


def _positions(checkpoint: Checkpoint, plan: Plan, width: int) -> numpy.ndarray | None:
    """The target's position embeddings, float32 [max_len, width]; None for a family without."""
    if not plan.family.positions:
        return None
    table = plan.family.positions[0]
    offset = table.offset(plan.family.encoder_config(checkpoint.config))
    if table.sinusoid is not None:
        return sinusoids(table.sinusoid, offset, offset + plan.max_len, width)
    positions = _float_rows(checkpoint, plan.layout.name(table.tensor))[offset:]
    return positions[source_rows(plan.positions, len(positions), plan.max_len)]
