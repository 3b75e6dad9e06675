"""From a plan to the tensors of the output, each produced when its turn to be written comes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import prod
from typing import TYPE_CHECKING, BinaryIO, cast

from lsg_convert.folder.global_tokens import EmbeddingTables, global_embeddings
from lsg_convert.folder.writer import FileRange, TensorEntry
from lsg_convert.plan.options import ConvertOptions
from lsg_convert.plan.plan import Plan
from lsg_convert.plan.positions import check_sinusoids, sinusoids
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
    actions = _Actions(checkpoint, plan, options, special_tokens)
    return [
        TensorEntry(
            tensor.name,
            tensor.dtype,
            tensor.shape,
            partial(getattr(actions, tensor.action), tensor),
            _range_of(checkpoint, tensor),
        )
        for tensor in plan.tensors
    ]


@dataclass(frozen=True)
class _Actions:
    """What a plan can do to a tensor: a method each, by the name that the plan has for it, writes the bytes."""

    checkpoint: Checkpoint
    plan: Plan
    options: ConvertOptions
    special_tokens: SpecialTokens

    def copy(self, tensor: TensorPlan, out: BinaryIO) -> None:
        """The source's bytes."""
        self.checkpoint.copy_bytes(_source(tensor), out)

    def cast(self, tensor: TensorPlan, out: BinaryIO) -> None:
        """The source's numbers in another dtype."""
        casting = _Casting(out, self.checkpoint.tensors[_source(tensor)].dtype, tensor.dtype)
        self.checkpoint.copy_bytes(_source(tensor), cast("BinaryIO", casting))

    def extend(self, tensor: TensorPlan, out: BinaryIO) -> None:
        """The source's rows as they are, those before position 0 too, and what the positions beyond are made of."""
        dtype = self.checkpoint.tensors[_source(tensor)].dtype
        table = _stored_rows(self.checkpoint, _source(tensor))
        out.write(converted(table, dtype, tensor.dtype).data)
        mix = self.plan.rows_beyond(tensor.source_length)
        for start in range(0, len(mix.rows), _ROWS_PER_CHUNK):
            chunk = mix.part(start, start + _ROWS_PER_CHUNK)
            if chunk.weights is None:
                out.write(converted(chunk.of(table[tensor.offset :]), dtype, tensor.dtype).data)
            else:
                out.write(from_float32(chunk.of(to_float32(table[tensor.offset :], dtype)), tensor.dtype).data)

    def compute(self, tensor: TensorPlan, out: BinaryIO) -> None:
        """The source's sinusoids, continued."""
        assert tensor.sinusoid is not None
        table = _float_rows(self.checkpoint, _source(tensor))
        check_sinusoids(_source(tensor), table, tensor.sinusoid)
        out.write(from_float32(table, tensor.dtype).data)
        for start in range(len(table), tensor.shape[0], _ROWS_PER_CHUNK):
            stop = min(start + _ROWS_PER_CHUNK, tensor.shape[0])
            out.write(from_float32(sinusoids(tensor.sinusoid, start, stop, table.shape[1]), tensor.dtype).data)

    def new(self, tensor: TensorPlan, out: BinaryIO) -> None:
        """Global embeddings for a source without."""
        out.write(self._globals(tensor.dtype).data)

    def replace(self, tensor: TensorPlan, out: BinaryIO) -> None:
        """Global embeddings instead of those of an LSG source."""
        rows = self._globals(tensor.dtype)
        if self.options.keep_first_global_token:
            kept = _stored_rows(self.checkpoint, _source(tensor))[0]
            rows[0] = converted(kept, self.checkpoint.tensors[_source(tensor)].dtype, tensor.dtype)
        out.write(rows.data)

    def zeros(self, tensor: TensorPlan, out: BinaryIO) -> None:
        """A bias that training may change."""
        out.write(bytes(prod(tensor.shape) * DTYPE_SIZES[tensor.dtype]))

    def _globals(self, dtype: str) -> numpy.ndarray:
        return _globals(self.checkpoint, self.plan, self.options, self.special_tokens, dtype)


class _Casting:
    """Takes bytes of one dtype, whole numbers at a time, and writes them to `out` in another."""

    def __init__(self, out: BinaryIO, before: str, after: str) -> None:
        self._out, self._before, self._after = out, before, after

    def write(self, chunk: bytes) -> int:
        """Cast and write the next bytes."""
        import numpy

        self._out.write(converted(numpy.frombuffer(chunk, dtype=numpy.uint8), self._before, self._after).data)
        return len(chunk)


def _source(tensor: TensorPlan) -> str:
    assert tensor.source is not None
    return tensor.source


def _range_of(checkpoint: Checkpoint, tensor: TensorPlan) -> FileRange | None:
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
    import numpy

    config = plan.family.encoder_config(checkpoint.config)
    tables = plan.family.positions_of(config)
    if not tables:
        return None
    table, offset = tables[0], tables[0].offset(config)
    formula = table.formula(config)
    if formula is not None:
        return sinusoids(formula, offset, offset + plan.max_len, width)
    positions = _float_rows(checkpoint, plan.layout.name(table.tensor))[offset:]
    return numpy.concatenate([positions, plan.rows_beyond(len(positions)).of(positions)])[: plan.max_len]
