"""One layer's attention by itself: every selection against dense SDPA and against the layer's linear maps, in turns.

`python benchmarks/attention.py --tokens 4096` prints medians, the share of a layer that attention takes, and each
selection's time over that of `pooling`, by SDPA and by the C++ kernel (`cpp`). The linear maps are those of an LSG
model (`lsg_linear.py`), and torch's own.
`--clock cpu --threads 1` is for a machine that others use too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lsg_convert.bench.meter import in_turns, measure
from lsg_convert.modeling.lsg_attention import AttentionPlan, lsg_attention
from lsg_convert.modeling.lsg_linear import fast_linear_maps
from lsg_convert.modeling.lsg_options import SPARSITY_TYPES, LSGOptions

HEADS, WIDTH, INNER = 12, 64, 3072
TORCHS_MAPS = "torch's maps"
LAYERS = 4  # runs in a row, as a model's layers are: the first one finds no memory to use again


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--train", action="store_true", help="forward and backward")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    sides = make_sides(arguments.tokens, getattr(torch, arguments.dtype), arguments.device, arguments.train)
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn, name, call in in_turns(sides, arguments.rounds):
        sample = measure(lambda call=call: [call() for _ in range(LAYERS)], arguments.device, memory=False)
        seconds = sample.seconds if arguments.clock == "wall" else sample.cpu_seconds
        if turn:
            times[name].append(seconds / LAYERS)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, seconds in medians.items():
        spread = f"({min(times[name]) * 1e3:.1f}–{max(times[name]) * 1e3:.1f})"
        line = f"{name:18} {seconds * 1e3:8.1f} ms {spread:20}"
        kind, _, backend = name.partition(" ")
        if kind in SPARSITY_TYPES:
            pooling = medians[f"pooling {backend}"]
            line += f" {seconds / medians['dense']:6.2f} × dense {seconds / pooling:6.2f} × pooling"
            line += f" {seconds / (seconds + medians['linear maps']):7.1%} of attention and linear maps"
            line += f" ({seconds / (seconds + medians[TORCHS_MAPS]):.1%} with torch's)"
        print(line)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({"medians": medians, **vars(arguments)}, indent=1) + "\n")


def make_sides(tokens: int, dtype: torch.dtype, device: str, train: bool) -> dict[str, Callable[[], Any]]:
    """What is measured, by name: one layer of BART-base's size, batch 1, one global."""
    model_width = HEADS * WIDTH
    options: dict[str, Any] = {"dtype": dtype, "device": device, "requires_grad": train}
    heads = [torch.randn(1, tokens + 1, HEADS, WIDTH, **options) for _ in range(3)]
    query, key, value = (part.transpose(1, 2) for part in heads)
    hidden = torch.randn(1, tokens, model_width, **options)
    torchs = _Maps(model_width).to(device, dtype).requires_grad_(train)

    def ours() -> torch.Tensor:
        with fast_linear_maps(hidden.device):
            return torchs(hidden)

    calls: dict[str, Callable[[], torch.Tensor]] = {
        TORCHS_MAPS: lambda: torchs(hidden),
        "linear maps": ours,
        "dense": lambda: functional.scaled_dot_product_attention(query, key, value),
    }
    for kind in SPARSITY_TYPES:
        for backend in ("sdpa",) if train or device != "cpu" else ("sdpa", "cpp"):
            lsg_options = LSGOptions(sparsity_type=kind, attention_backend=backend)
            calls[f"{kind} {backend}"] = _lsg_call(query, key, value, lsg_options)
    leaves = dict.fromkeys(calls, heads)
    leaves |= {name: [hidden, *torchs.parameters()] for name in (TORCHS_MAPS, "linear maps")}
    return {name: _step(call, leaves[name], train) for name, call in calls.items()}


class _Maps(nn.Module):
    """What a layer has beside its attention, but for norms and sums: 4 projections and the feed-forward part."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(width, width) for _ in range(4))
        self.inner, self.outer = nn.Linear(width, INNER), nn.Linear(INNER, width)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        total = self.outer(functional.gelu(self.inner(hidden)))
        for projection in self.projections:
            total = total + projection(hidden)
        return total


def _lsg_call(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, options: LSGOptions
) -> Callable[[], torch.Tensor]:
    plan = AttentionPlan(options, None, 1, query.shape[2] - options.num_global_tokens, query.device)
    return lambda: lsg_attention(query, key, value, plan, WIDTH**-0.5)


def _step(call: Callable[[], torch.Tensor], leaves: list[torch.Tensor], train: bool) -> Callable[[], Any]:
    def forward() -> None:
        with torch.inference_mode():
            call()

    def both() -> None:
        output = call()
        torch.autograd.grad(output, leaves, torch.ones_like(output))

    return both if train else forward


if __name__ == "__main__":
    main()
