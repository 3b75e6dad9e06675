"""What becomes of every tensor: copied, cast, made longer, left out, or new."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

from lsg_convert.families import Config, Family
from lsg_convert.modeling.lsg_options import MAX_GLOBAL_TOKENS
from lsg_convert.plan.layout import Layout
from lsg_convert.plan.options import ConvertOptions
from lsg_convert.sources.checkpoint import Checkpoint

Action = Literal["copy", "cast", "extend", "compute", "new", "replace", "zeros"]
# What is said of every action that changes something, and of tensors that are dropped.
ACTION_LABELS = {
    "cast": "changed in type",
    "extend": "position rows extended to the new length",
    "compute": "sinusoids continued to the new length",
    "new": "new: embeddings of the global tokens",
    "zeros": "new: a bias towards the global tokens, 0, that training may change",
    "replace": "initialised again",
    "drop": "left out: nothing reads it",
}
_FLOATS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True)
class TensorPlan:
    """One tensor of the output, and what is done to get it: for each action `folder.tensors` has what writes it."""

    name: str
    action: Action
    dtype: str
    shape: tuple[int, ...]
    source: str | None = None
    offset: int = 0  # extend: rows before position 0
    source_length: int = 0  # extend: positions of the source
    sinusoid: str | None = None  # compute: the formula in `positions.SINUSOIDS`

    @property
    def nbytes(self) -> int:
        """Size in bytes, of a tensor whose dtype the conversion chose."""
        return prod(self.shape) * _BYTES.get(self.dtype, 0)


def plan_tensors(
    checkpoint: Checkpoint,
    family: Family,
    layout: Layout,
    options: ConvertOptions,
    max_len: int,
    is_lsg_source: bool,
) -> tuple[tuple[TensorPlan, ...], tuple[str, ...]]:
    """The tensors of the output, and the names of those that are left out."""
    config = family.encoder_config(checkpoint.config)
    cast = _FLOATS.get(options.dtype)
    used = family.positions_of(config)
    tables = {layout.name(table.tensor): table for table in used}
    unused = (table.tensor for table in family.positions if table not in used)
    obsolete = {layout.name(name) for name in (*family.obsolete_tensors, *unused)}
    planned: list[TensorPlan] = []
    dropped: list[str] = []
    for name, source in _renamed(_tensors_to_write(checkpoint, family, layout), config, family, layout).items():
        info = checkpoint.tensors[source]
        is_float = info.dtype in _BYTES
        dtype = cast if cast and is_float else info.dtype
        if name in obsolete:
            dropped.append(name)
        elif name in tables and info.shape[0] - (offset := tables[name].offset(config)) < max_len:
            shape, length = (offset + max_len, *info.shape[1:]), info.shape[0] - offset
            sinusoid = tables[name].formula(config)
            action: Action = "extend" if sinusoid is None else "compute"
            planned.append(TensorPlan(name, action, dtype, shape, source, offset, length, sinusoid))
        elif name == layout.global_embeddings and options.global_init is not None:
            planned.append(TensorPlan(name, "replace", dtype, info.shape, source))
        else:
            planned.append(TensorPlan(name, "copy" if dtype == info.dtype else "cast", dtype, info.shape, source))
    if not is_lsg_source:
        words = checkpoint.tensors[layout.word_embeddings]
        dtype = cast or words.dtype
        planned.append(TensorPlan(layout.global_embeddings, "new", dtype, (MAX_GLOBAL_TOKENS, words.shape[1])))
        if family.global_bias is not None:
            # A tensor and not a default of the code: a folder's own weights are all that its model has.
            shape = (config[family.num_heads],)
            planned.append(TensorPlan(layout.name(family.global_bias), "zeros", dtype, shape))
    return tuple(planned), tuple(dropped)


def _renamed(written: dict[str, str], config: Config, family: Family, layout: Layout) -> dict[str, str]:
    """The tensors under the names that they have in a folder of this family."""
    of_base = layout.prefix
    return {
        (of_base if name.startswith(of_base) else "") + new: source
        for name, source in written.items()
        for new in family.names_here(name.removeprefix(of_base), config)
    }


def _tensors_to_write(checkpoint: Checkpoint, family: Family, layout: Layout) -> dict[str, str]:
    """Name in the output → tensor of the checkpoint. Of tied tensors that were pickled together one is written, the
    family's first; all of them where the config says that they are not tied, or will no longer be.
    """
    aliases = checkpoint.aliases
    words = next((name for name in map(layout.name, family.word_embeddings) if name in checkpoint.tensors), "")
    original = aliases.get(words, words)
    tied = {name for name in map(layout.name, family.always_tied) if aliases.get(name, name) == original} - {words}
    every = {name: name for name in checkpoint.tensors if name not in tied}
    config = checkpoint.config
    if config.get("tie_word_embeddings", True) is False or config.get("tie_encoder_decoder"):
        return every
    if words in aliases:
        every.pop(original, None)
        every[words] = original
    return {name: source for name, source in every.items() if name == words or name not in aliases}
