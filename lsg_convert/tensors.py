"""From a plan to the tensors of the output, each produced when its turn to be written comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from lsg_convert.checkpoint import Checkpoint
from lsg_convert.global_tokens import EmbeddingTables, global_embeddings
from lsg_convert.options import ConvertOptions
from lsg_convert.plan import Plan, TensorPlan
from lsg_convert.positions import SINUSOIDS, check_sinusoids, source_rows
from lsg_convert.special_tokens import SpecialTokens
from lsg_convert.tensor_bytes import torch_dtype, write_tensor
from lsg_convert.writer import TensorEntry

if TYPE_CHECKING:
    import torch

_ELEMENTS_PER_CHUNK = 2**20


def tensor_entries(
    checkpoint: Checkpoint, plan: Plan, options: ConvertOptions, special_tokens: SpecialTokens
) -> list[TensorEntry]:
    """One entry a planned tensor; nothing is read before an entry is written."""
    import torch

    def copy(tensor: TensorPlan, out: BinaryIO) -> None:
        assert tensor.source is not None
        checkpoint.copy_bytes(tensor.source, out)

    def cast(tensor: TensorPlan, out: BinaryIO) -> None:
        assert tensor.source is not None
        flat = checkpoint.view(tensor.source).reshape(-1)
        for start in range(0, flat.numel(), _ELEMENTS_PER_CHUNK):
            write_tensor(flat[start : start + _ELEMENTS_PER_CHUNK].to(torch_dtype(tensor.dtype)), out)

    def extend(tensor: TensorPlan, out: BinaryIO) -> None:
        assert tensor.source is not None
        table = checkpoint.read(tensor.source)
        target_length = tensor.shape[0] - tensor.offset
        rows = source_rows(plan.positions, tensor.source_length, target_length, tensor.offset)
        for start in range(0, len(rows), 4096):
            write_tensor(table[rows[start : start + 4096]].to(torch_dtype(tensor.dtype)), out)

    def compute(tensor: TensorPlan, out: BinaryIO) -> None:
        assert tensor.source is not None and tensor.sinusoid is not None
        table = checkpoint.read(tensor.source)
        check_sinusoids(tensor.source, table, tensor.sinusoid)
        write_tensor(table.to(torch_dtype(tensor.dtype)), out)
        for rows in torch.arange(table.shape[0], tensor.shape[0]).split(4096):
            write_tensor(SINUSOIDS[tensor.sinusoid](rows, table.shape[1]).to(torch_dtype(tensor.dtype)), out)

    def new(tensor: TensorPlan, out: BinaryIO) -> None:
        write_tensor(_globals(checkpoint, plan, options, special_tokens).to(torch_dtype(tensor.dtype)), out)

    def replace(tensor: TensorPlan, out: BinaryIO) -> None:
        rows = _globals(checkpoint, plan, options, special_tokens).to(torch_dtype(tensor.dtype))
        if options.keep_first_global_token and tensor.source is not None:
            rows[0] = checkpoint.read(tensor.source)[0].to(rows.dtype)
        write_tensor(rows, out)

    def zeros(tensor: TensorPlan, out: BinaryIO) -> None:
        write_tensor(torch.zeros(tensor.shape, dtype=torch_dtype(tensor.dtype)), out)

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
        )
        for tensor in plan.tensors
    ]


def _globals(checkpoint: Checkpoint, plan: Plan, options: ConvertOptions, special_tokens: SpecialTokens):  # type: ignore[no-untyped-def]
    family, layout = plan.family, plan.layout
    words = checkpoint.view(layout.word_embeddings)
    type_tables = [layout.name(name) for name in family.type_tables if layout.name(name) in checkpoint.tensors]
    tables = EmbeddingTables(
        words=words,
        positions=_positions(checkpoint, plan, words.shape[1]),
        types=[checkpoint.view(name)[0] for name in type_tables],
        word_scale=family.word_scale(family.encoder_config(checkpoint.config)),
    )
    return global_embeddings(
        tables,
        first_token=special_tokens.first,
        mask_token=special_tokens.mask,
        positional_stride=options.global_positional_stride,
        init=plan.global_init,
        seed=options.seed,
    )


def _positions(checkpoint: Checkpoint, plan: Plan, width: int) -> torch.Tensor | None:
    """The target's position embeddings [max_len, width]; None for a family without."""
    import torch

    if not plan.family.positions:
        return None
    table = plan.family.positions[0]
    offset = table.offset(plan.family.encoder_config(checkpoint.config))
    if table.sinusoid is not None:
        return SINUSOIDS[table.sinusoid](torch.arange(offset, offset + plan.max_len), width)
    positions = checkpoint.read(plan.layout.name(table.tensor))[offset:]
    return positions[source_rows(plan.positions, positions.shape[0], plan.max_len)]
