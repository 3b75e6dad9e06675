"""A batch of documents of mixed lengths, in turns: padded, unpadded (`unpad_inputs`), and each document alone.

`python benchmarks/mixed_lengths.py` prints medians and their ratios to the sum of the documents alone, forward and of a
training step. The encoder has 6 layers of 768 and random weights.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from sides import build


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", default="300,420,611,800,1100,1700,2600,4096")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--train", action="store_true", help="a training step too")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    lengths = [int(length) for length in given.lengths.split(",")]
    models = {
        name: build(f"lsg:unpad_inputs={name == 'unpadded'}".lower()).get_encoder() for name in ("padded", "unpadded")
    }
    models["unpadded"].load_state_dict(models["padded"].state_dict())
    ids = torch.randint(5, 1000, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    alone = [(ids[row : row + 1, :length], mask[row : row + 1, :length]) for row, length in enumerate(lengths)]
    sides: dict[str, Callable[[Callable[..., Any]], None]] = {
        "alone": lambda run: [run(models["padded"], *each) for each in alone],
        "padded": lambda run: run(models["padded"], ids, mask),
        "unpadded": lambda run: run(models["unpadded"], ids, mask),
    }
    with torch.inference_mode():
        both = [
            models[name](ids, attention_mask=mask)[0][:, -max(lengths) :][mask.bool()]
            for name in ("padded", "unpadded")
        ]
    print(f"{len(lengths)} documents, {sum(lengths)} tokens of {mask.numel()}: {given.lengths}")
    print(f"largest difference {float((both[0] - both[1]).abs().max()):.1e} of {float(both[0].abs().max()):.1f}")
    for kind, run in {"forward": forward, **({"training step": training_step} if given.train else {})}.items():
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(given.rounds):
            for name, side in sides.items():
                start = time.perf_counter()
                side(run)
                seconds[name].append(time.perf_counter() - start)
        medians = {name: median(values) for name, values in seconds.items()}
        shown = (f"{name} {value:.2f} s ({value / medians['alone']:.2f} ×)" for name, value in medians.items())
        print(f"{kind}: {', '.join(shown)}", flush=True)


@torch.inference_mode()
def forward(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> None:
    """Run the encoder."""
    model.eval()(ids, attention_mask=mask)


def training_step(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> None:
    """Run it, and the gradients of a loss of the tokens that are not padding."""
    model.train().zero_grad()
    model(ids, attention_mask=mask)[0][:, -ids.shape[1] :][mask.bool()].square().mean().backward()


if __name__ == "__main__":
    main()
