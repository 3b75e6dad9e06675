"""Sliding attention (Longformer, arXiv 2004.05150): a token attends to the tokens that are near it, whatever its block.

Blocks of queries share a window here too: the tokens that any of them attends to. A mask, the same for all blocks but
those at the ends, leaves each query its own band.
"""

import copy

import torch
from torch import Tensor
from torch.nn import functional

from .lsg_windows import AttentionPlan, Window


def slides(plan: AttentionPlan) -> bool:
    """Whether tokens attend to a band of their own."""
    return plan.half_window is not None


def plan_of_half_window(plan: AttentionPlan, half_window: int | None) -> AttentionPlan:
    """The plan for layers that attend to so many tokens on each side; made once in a forward pass."""
    if half_window == plan.half_window:
        return plan
    if half_window not in plan.plans_of_others:
        other = copy.copy(plan)
        other.half_window = half_window
        other.make_windows()
        if plan.with_marked is not None:
            other.with_marked = plan_of_half_window(plan.with_marked, half_window)
        plan.plans_of_others[half_window] = other
    return plan.plans_of_others[half_window]


def keep_band(keys: Tensor | None, plan: AttentionPlan, window: Window) -> Tensor:
    """Which keys of a window each query of a block attends to, bool [..., block_size, W]: of local tokens those of its
    band. `keys`: which are kept, bool [..., 1, W]; None where all are.
    """
    queries = torch.arange(plan.options.block_size, device=plan.device) + window.block * plan.options.block_size
    near = (torch.arange(*window.local, device=plan.device) - queries[:, None]).abs() <= plan.half_window
    sparse = window.left[1] - window.left[0] + window.right[1] - window.right[0]
    band = functional.pad(near, (plan.num_globals + sparse, 0), value=True)
    return band if keys is None else keys & band
