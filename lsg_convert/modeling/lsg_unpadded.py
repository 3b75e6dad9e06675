"""Inputs of mixed lengths without the padding behind them: rows of about one length run together, up to where they end.

Each row gets what it gets when it is padded, as no token attends to padding.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Group = tuple[int, Tensor]


def groups_by_length(attention_mask: Tensor, step: int) -> list[Group]:
    """Rows of a mask [B, T] that end in the same ``step`` tokens: where that ends, and which rows, long [rows]."""
    num_tokens = attention_mask.shape[1]
    ends = ((attention_mask != 0) * torch.arange(1, num_tokens + 1, device=attention_mask.device)).amax(1)
    lengths = (-(-ends // step) * step).clamp(min(step, num_tokens), num_tokens)
    return [(length, (lengths == length).nonzero().flatten()) for length in lengths.unique().tolist()]


def run_by_length(run: Callable[[int, Tensor], list[Tensor]], groups: list[Group], num_tokens: int) -> list[Tensor]:
    """What `run` returns of each group, each [rows, n, width] for a length of n or n less globals, as if all rows were
    run with ``num_tokens``: with zeros where a row is not run.
    """
    found = [run(*group) for group in groups]
    order = torch.cat([rows for _, rows in groups]).argsort()
    wholes = []
    for parts in zip(*found, strict=True):
        padded = [
            functional.pad(part, (0, 0, 0, num_tokens - length))
            for part, (length, _) in zip(parts, groups, strict=True)
        ]
        wholes.append(torch.cat(padded).index_select(0, order.to(padded[0].device)))
    return wholes
