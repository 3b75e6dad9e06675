"""Which settings are compared: those of the published tables, or every combination of the values asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.modeling.lsg_options import LSGOptions

PUBLISHED_SELECTIONS = ("pooling", "stride", "block_stride", "norm", "lsh")
PUBLISHED_BLOCKS = ((256, 0), (128, 0), (128, 4), (64, 0), (32, 0), (32, 4))  # block size and sparsity factor


@dataclass(frozen=True)
class Setting:
    """Options of attention that `from_pretrained` takes.

    sparse_block_size: None: as many sparse tokens on a side as a block has.
    num_global_tokens: None: the folder's own number.
    """

    sparsity_type: str
    block_size: int
    sparsity_factor: int = 0
    num_global_tokens: int | None = None
    sparse_block_size: int | None = None

    @classmethod
    def of_options(cls, options: LSGOptions) -> Setting:
        """The setting that a folder has."""
        if not options.has_sparse:
            return cls("none", options.block_size)
        sparse = None if options.sparse_block_size == options.block_size else options.sparse_block_size
        return cls(options.sparsity_type, options.block_size, options.sparsity_factor, None, sparse)

    @property
    def sparse_tokens(self) -> int:
        """Sparse tokens on each side."""
        if self.sparsity_type == "none":
            return 0
        return self.block_size if self.sparse_block_size is None else self.sparse_block_size

    @property
    def options(self) -> dict[str, Any]:
        """As keyword options of `from_pretrained`."""
        options: dict[str, Any] = {"block_size": self.block_size, "sparsity_type": self.sparsity_type}
        if self.sparsity_type != "none":
            options |= {"sparse_block_size": self.sparse_tokens, "sparsity_factor": self.sparsity_factor}
        if self.num_global_tokens is not None:
            options["num_global_tokens"] = self.num_global_tokens
        return options

    @property
    def name(self) -> str:
        """In a few words: ``norm 128/4``, ``local 128``."""
        text = f"local {self.block_size}"
        if self.sparsity_type != "none":
            sparse = "" if self.sparse_block_size is None else f"+{self.sparse_block_size}"
            text = f"{self.sparsity_type} {self.block_size}{sparse}/{self.sparsity_factor}"
        return text if self.num_global_tokens is None else f"{text}, globals {self.num_global_tokens}"

    def attended_keys(self, num_global_tokens: int) -> int:
        """Keys of a query far from both ends: three blocks, the sparse tokens of both sides, the global tokens."""
        own = self.num_global_tokens
        return 3 * self.block_size + 2 * self.sparse_tokens + (num_global_tokens if own is None else own)

    def check(self) -> None:
        """Raise RequestError where attention cannot be laid out so."""
        try:
            LSGOptions(**self.options).validate()
        except ValueError as error:
            raise RequestError(f"the setting {self.name} is not possible: {error}") from error


def published_grid() -> list[Setting]:
    """The lines of the published models' tables: block size 256 to 32, local only or factor 4 by five selections."""
    return [
        Setting(selection, block, factor)
        for block, factor in PUBLISHED_BLOCKS
        for selection in (PUBLISHED_SELECTIONS if factor else ("none",))
    ]


def product_grid(selections: Sequence[str], blocks: Sequence[int], factors: Sequence[int]) -> list[Setting]:
    """Every combination; a selection `none`, or a factor 0, is local attention only, and is there once."""
    made = (
        Setting(selection, block, factor) if factor and selection != "none" else Setting("none", block)
        for block, factor, selection in product(blocks, factors, selections)
    )
    return list(dict.fromkeys(made))


def with_globals(settings: Sequence[Setting], counts: Sequence[int]) -> list[Setting]:
    """Every setting with each of these numbers of global tokens."""
    return [replace(setting, num_global_tokens=count) for setting in settings for count in counts]
