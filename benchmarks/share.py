"""Attention's share of an encoder layer: an LSG encoder of BART-base's size runs, and its attention is timed in it.

`python benchmarks/share.py --tokens 4096` prints medians for each attention backend, which take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from sides import LAYERS, VOCABULARY, build  # noqa: E402

from lsg_convert.bench.meter import in_turns, measure  # noqa: E402
from lsg_convert.modeling import lsg_self_attention  # noqa: E402


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--backends", default="sdpa,cpp")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    clock = Clock()
    encoders = {name: build(f"lsg:attention_backend={name}").get_encoder() for name in arguments.backends.split(",")}
    ids = torch.randint(5, VOCABULARY, (1, arguments.tokens))
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in encoders}
    for turn, name, encoder in in_turns(encoders, arguments.rounds):
        clock.seconds = 0.0
        with torch.inference_mode():
            whole = measure(lambda encoder=encoder: encoder(ids), memory=False)
        if turn:
            times[name].append((clock.seconds / LAYERS, whole.seconds / LAYERS))
    report: dict[str, Any] = {}
    for name, pairs in times.items():
        attention, layer = (statistics.median(column) for column in zip(*pairs, strict=True))
        shares = sorted(part / whole for part, whole in pairs)
        share = statistics.median(shares)
        report[name] = {"attention_s": attention, "layer_s": layer, "share": share}
        print(
            f"{name:6} attention {attention * 1e3:6.1f} ms of {layer * 1e3:6.1f} ms a layer:"
            f" {share:.1%} ({shares[0]:.1%}–{shares[-1]:.1%})"
        )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({"sides": report, **vars(arguments)}, indent=1) + "\n")


class Clock:
    """Adds up the seconds that the encoders spend in `lsg_attention`, the selection of sparse tokens included."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.attention = lsg_self_attention.lsg_attention
        lsg_self_attention.lsg_attention = self

    def __call__(self, *arguments: Any) -> torch.Tensor:
        start = time.perf_counter()
        context = self.attention(*arguments)
        self.seconds += time.perf_counter() - start
        return context


if __name__ == "__main__":
    main()
