"""From a plan to the tensors of the output, each produced when its turn to be written comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from lsg_convert.checkpoint import Checkpoint
from lsg_convert.global_tokens import EmbeddingTables, global_embeddings
from lsg_convert.options import ConvertOptions
from lsg_convert.plan import Plan, TensorPlan
from lsg_convert.positions import source_rows
from lsg_convert.special_tokens import SpecialTokens
from lsg_convert.tensor_bytes import torch_dtype, write_tensor
from lsg_convert.writer import TensorEntry

_ELEMENTS_PER_CHUNK = 2**20


def tensor_entries(
    checkpoint: Checkpoint, plan: Plan, options: ConvertOptions, special_tokens: SpecialTokens
) -> list[TensorEntry]:
    """One entry a planned tensor; nothing is read before an entry is written."""

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

    def new(tensor: TensorPlan, out: BinaryIO) -> None:
        write_tensor(_globals(checkpoint, plan, options, special_tokens).to(torch_dtype(tensor.dtype)), out)

    def replace(tensor: TensorPlan, out: BinaryIO) -> None:
        rows = _globals(checkpoint, plan, options, special_tokens).to(torch_dtype(tensor.dtype))
        if options.keep_first_global_token and tensor.source is not None:
            rows[0] = checkpoint.read(tensor.source)[0].to(rows.dtype)
        write_tensor(rows, out)

    produce: dict[str, Callable[[TensorPlan, BinaryIO], None]] = {
        "copy": copy,
        "cast": cast,
        "extend": extend,
        "new": new,
        "replace": replace,
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
    positions = None
    if family.positions:
        table = family.positions[0]
        positions = checkpoint.read(layout.name(table.tensor))[table.offset(checkpoint.config) :]
        rows = source_rows(plan.positions, positions.shape[0], plan.max_len)
        positions = positions[rows]
    token_type = None
    if family.token_types and layout.name(family.token_types) in checkpoint.tensors:
        token_type = checkpoint.view(layout.name(family.token_types))[0]
    tables = EmbeddingTables(
        words=checkpoint.view(layout.word_embeddings),
        positions=positions,
        token_type=token_type,
        word_scale=family.word_scale(checkpoint.config),
    )
    return global_embeddings(
        tables,
        first_token=special_tokens.first,
        mask_token=special_tokens.mask,
        positional_stride=options.global_positional_stride,
        init=options.global_init or "mask",
        seed=options.seed,
    )
