"""Where a checkpoint keeps what the conversion touches, and whether its shapes agree with its config."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable
from lsg_convert.families import Config, Family
from lsg_convert.modeling.lsg_options import MAX_GLOBAL_TOKENS
from lsg_convert.sources.checkpoint import Checkpoint


@dataclass(frozen=True)
class Layout:
    """Full tensor names in one checkpoint, which may carry the base model's prefix or not."""

    prefix: str
    word_embeddings: str
    global_embeddings: str

    def name(self, below_base: str) -> str:
        """The full name of a tensor named below the base model."""
        return self.prefix + below_base


def find_layout(checkpoint: Checkpoint, family: Family) -> Layout:
    """Find the base model's tensors under their prefix or bare.

    Raises:
        RequestError: the checkpoint has no word embeddings of this family.
    """
    for prefix in (f"{family.base_prefix}.", ""):
        for words in family.word_embeddings:
            if prefix + words in checkpoint.tensors:
                return Layout(prefix, prefix + words, prefix + family.global_embeddings)
    raise RequestError(
        f"the weights hold no {family.word_embeddings[0]!r}, with or without {family.base_prefix + '.'!r} before it: "
        f"this is not a {family.title} checkpoint.",
        "Check model_type in config.json against the weights.",
    )


def check_shapes(checkpoint: Checkpoint, family: Family, layout: Layout) -> int:
    """Compare the shapes that the conversion relies on with the config; return the source's length in tokens.

    Raises:
        RequestError: lists every contradiction.
    """
    config = dict(family.encoder_config(checkpoint.config))
    complaints: list[str] = []
    vocabulary = _positive(config, "vocab_size", complaints)
    layers = _positive(config, family.num_layers, complaints)
    heads = _positive(config, family.num_heads, complaints)
    width = _positive(config, family.hidden_size, complaints)
    if not complaints and family.head_width is None and width % heads:
        complaints.append(f"{family.hidden_size}={width} is not a multiple of {family.num_heads}={heads}")

    words = checkpoint.tensors[layout.word_embeddings]
    if len(words.shape) != 2 or words.shape[0] != vocabulary:
        complaints.append(f"{layout.word_embeddings} is {list(words.shape)}, the config has vocab_size={vocabulary}")
    found = _count_layers(checkpoint, layout.name(family.layers))
    if found != layers:
        complaints.append(f"the weights have {found} layers, the config has {family.num_layers}={layers}")
    embedding_width = words.shape[-1] if words.shape else 0
    width_field = family.embedding_size or family.hidden_size
    wanted = config.get(width_field) or config.get(family.hidden_size)
    if embedding_width != wanted:
        complaints.append(f"{layout.word_embeddings} is {list(words.shape)}, the config has {width_field}={wanted!r}")
    if layout.global_embeddings in checkpoint.tensors:
        shape = checkpoint.tensors[layout.global_embeddings].shape
        if shape != (MAX_GLOBAL_TOKENS, embedding_width):
            complaints.append(
                f"{layout.global_embeddings} is {list(shape)}, not [{MAX_GLOBAL_TOKENS}, {embedding_width}]"
            )

    lengths = _source_lengths(checkpoint, family, layout, config, embedding_width, complaints)
    if complaints:
        shown = "; ".join(complaints[:8]) + (f"; and {len(complaints) - 8} more" if len(complaints) > 8 else "")
        raise RequestError(
            f"weights and config.json contradict each other: {printable(shown, 1000)}.",
            "Restore the config.json that belongs to these weights.",
        )
    return min(lengths)


def configured_length(family: Family, config: Config) -> int:
    """How many tokens a converted model takes, as its configuration says.

    Raises:
        RequestError: it says no such thing.
    """
    complaints: list[str] = []
    encoder = dict(family.encoder_config(config))
    has_table = bool(family.positions_of(encoder))
    field, usual = (family.positions_field, 0) if has_table else family.trained_length
    rows = _positive({field: usual, **encoder}, field, complaints)
    if complaints:
        raise RequestError(f"config.json: {complaints[0]}.", "Restore the config.json that belongs to these weights.")
    return rows - family.config_positions_offset(encoder) if has_table else rows


def _source_lengths(
    checkpoint: Checkpoint,
    family: Family,
    layout: Layout,
    config: dict[str, Any],
    embedding_width: int,
    complaints: list[str],
) -> list[int]:
    """How many tokens each position table takes, or what the config says of training; adds what contradicts it."""
    lengths: list[int] = []
    tables = family.positions_of(config)
    limit = _positive(config, family.positions_field, complaints) if tables else 0
    if not tables:
        field, usual = family.trained_length
        lengths.append(_positive({field: usual, **config}, field, complaints))
    for table in tables:
        name = layout.name(table.tensor)
        expected = limit - family.config_positions_offset(config)
        if name not in checkpoint.tensors:
            if table.formula(config) is None:
                complaints.append(f"{name} is missing")
            lengths.append(expected)
            continue
        shape = checkpoint.tensors[name].shape
        length = (shape[0] if shape else 0) - table.offset(config)
        if length != expected or len(shape) != 2 or shape[-1] != embedding_width:
            complaints.append(f"{name} is {list(shape)}, the config has {family.positions_field}={limit}")
        lengths.append(length)
    return lengths


def _positive(config: dict[str, Any], key: str, complaints: list[str]) -> int:
    value = config.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        complaints.append(f"{key} is {printable(value)!r}, not a positive number")
        return 1
    return value


def _count_layers(checkpoint: Checkpoint, layers: str) -> int:
    pattern = re.compile(re.escape(layers) + r"\.(\d+)\.")
    return len({match[1] for match in map(pattern.match, checkpoint.tensors) if match})
