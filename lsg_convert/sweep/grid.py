"""Which settings are compared: those of the published tables, or every combination of the values asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from lsg_convert.modeling.lsg_options import LSGOptions

PUBLISHED_SELECTIONS = ("pooling", "stride", "block_stride", "norm", "lsh")
_PUBLISHED_BLOCKS = ((256, False), (128, False), (128, True), (64, False), (32, False), (32, True))
_PUBLISHED_FACTOR = 4


@dataclass(frozen=True)
class Setting:
    """Options of attention that `from_pretrained` takes. num_global_tokens: None leaves the folder's own number."""

    sparsity_type: str
    block_size: int
    sparsity_factor: int
    num_global_tokens: int | None = None

    @property
    def options(self) -> dict[str, Any]:
        """As keyword options of `from_pretrained`; there are as many sparse tokens on a side as a block has."""
        options: dict[str, Any] = {"block_size": self.block_size, "sparsity_type": self.sparsity_type}
        if self.sparsity_type != "none":
            options |= {"sparse_block_size": self.block_size, "sparsity_factor": self.sparsity_factor}
        if self.num_global_tokens is not None:
            options["num_global_tokens"] = self.num_global_tokens
        return options

    @property
    def name(self) -> str:
        """In a few words: ``norm 128/4``, ``local 128``."""
        kind = f"local {self.block_size}" if self.sparsity_type == "none" else ""
        text = kind or f"{self.sparsity_type} {self.block_size}/{self.sparsity_factor}"
        return text if self.num_global_tokens is None else f"{text}, {self.num_global_tokens} global"

    def attended_keys(self, num_global_tokens: int) -> int:
        """Keys of a query far from both ends: three blocks, the sparse tokens of both sides, the global tokens."""
        sparse = 0 if self.sparsity_type == "none" else 2 * self.block_size
        own = self.num_global_tokens
        return 3 * self.block_size + sparse + (num_global_tokens if own is None else own)

    def check(self, num_heads: int | None = None) -> None:
        """Raise ValueError where attention cannot be laid out so."""
        LSGOptions(**self.options).validate(num_heads)


def published_grid() -> list[Setting]:
    """The sixteen-line tables of the published models' cards: block size 256 to 32, local only or factor 4."""
    return [
        Setting(selection, block, _PUBLISHED_FACTOR if is_sparse else 0)
        for block, is_sparse in _PUBLISHED_BLOCKS
        for selection in (PUBLISHED_SELECTIONS if is_sparse else ("none",))
    ]


def product_grid(
    selections: Sequence[str], blocks: Sequence[int], factors: Sequence[int], counts: Sequence[int | None] = (None,)
) -> list[Setting]:
    """Every combination; a selection `none`, or a factor 0, is local attention only, and is there once."""
    made = (
        Setting(selection if factor else "none", block, factor if selection != "none" else 0, count)
        for block, factor, selection, count in product(blocks, factors, selections, counts)
    )
    return list(dict.fromkeys(made))
