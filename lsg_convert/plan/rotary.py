"""Rotary positions of a longer model: how much a position turns queries and keys.

With LSG attention a token sees tokens that are near, at distances that were trained; global tokens alone see far. So
frequencies stay as they are unless it is asked for others, which change outputs at every length.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.families import Config, Family

KEEP = "rope-keep"
_TILED = ("tile", "tile-all")  # the default, and what the published models have
ROPE_CHOICES = (KEEP, "rope-ntk", "rope-yarn", "rope-linear")


def turns(family: Family, config: Config) -> bool:
    """Whether a model of this configuration, an encoder's, has rotary positions."""
    return family.rotary and not family.positions_of(config)


def is_rescaled(positions: str) -> bool:
    """Whether a record's `positions` are rotary ones of other frequencies than the source's."""
    return positions in ROPE_CHOICES and positions != KEEP


def positions_named(family: Family, config: Config, asked: str, opens_with_bos: bool) -> str:
    """What becomes of the positions of an encoder's configuration, by its name.

    Raises:
        RequestError: it has no positions of the kind that was asked for.
    """
    if asked not in _TILED:
        kind = "rotary positions" if asked in ROPE_CHOICES else "a table of positions"
        if not (turns(family, config) if asked in ROPE_CHOICES else family.positions_of(config)):
            raise RequestError(
                f"--positions {asked} is for {kind}, and this {family.title} checkpoint has none.",
                "Leave --positions out.",
            )
    if turns(family, config):
        return asked if is_rescaled(asked) else KEEP
    # Without BOS the first row is a row like any other: to tile is to tile all.
    return "tile-all" if asked == "tile" and not opens_with_bos else asked


def rescaled_config(
    family: Family, config: Config, positions: str, length: int, max_len: int
) -> tuple[dict[str, Any], list[str]]:
    """The fields of an encoder's configuration that `positions` change, for `max_len` tokens instead of `length`; and
    what a user should know of it.

    Raises:
        RequestError: they cannot be changed, or there is nothing to change.
    """
    if not is_rescaled(positions):
        return {}, []
    if family.rope is None:
        raise RequestError(
            f"--positions {positions}: the frequencies of {family.title} are stored with its weights, and stay.",
            f"Leave it out, or give --positions {KEEP}.",
        )
    rope = family.rope.read(config)
    if max_len <= length:
        raise RequestError(
            f"--positions {positions} is for a longer model: this one has {length} tokens.",
            f"Give a larger --max-len, or --positions {KEEP}.",
        )
    if rope.get("rope_type", "default") != "default":
        raise RequestError(
            f"--positions {positions}: rotary positions of this source are rescaled already ({rope['rope_type']}).",
            f"Convert the model that it was made of, or give --positions {KEEP}.",
        )
    width = family.rope.head_width(config)
    changed = dict(family.rope.written(config, rescaled(rope, positions, max_len / length, length, width)))
    return changed, [f"--positions {positions} changes outputs at every length: no check compares them"]


def rescaled(rope: Mapping[str, Any], positions: str, factor: float, length: int, width: int) -> dict[str, Any]:
    """Rope parameters for `factor` times the `length` of training, of heads of `width` numbers.

    rope-linear: positions are divided by the factor (position interpolation, arXiv 2306.15595, section 2.3).
    rope-ntk: a larger base, so that what turns least turns `factor` times less and what turns most as before (arXiv
    2309.00071, section 3.1). rope-yarn: frequencies by parts, and sharper scores (the same, sections 3.2 and 3.3).
    """
    if positions == "rope-ntk":
        return {**rope, "rope_theta": rope["rope_theta"] * factor ** (width / (width - 2))}
    if positions == "rope-linear":
        return {**rope, "rope_type": "linear", "factor": factor}
    return {**rope, "rope_type": "yarn", "factor": factor, "original_max_position_embeddings": length}
