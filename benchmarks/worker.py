"""One side of a comparison: builds its model, then runs what it is told, one line of JSON in and one out.

Started by `speed.py`. Python 3.10 is enough, and whatever transformers the side needs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from sides import OPENING, VOCABULARY, build  # noqa: E402

from lsg_convert.bench.meter import measure  # noqa: E402


def main() -> None:
    """Answer requests until there are no more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # what libraries print is not an answer
        model = build(arguments.side).to(arguments.device, getattr(torch, arguments.dtype))
    _answer(answers, {"ready": torch.__version__})
    for line in sys.stdin:
        request = json.loads(line)
        with contextlib.redirect_stdout(sys.stderr):
            torch.manual_seed(request["seed"])
            ids = torch.randint(5, VOCABULARY, (request["batch"], request["tokens"]), device=arguments.device)
            ids[:, 0] = OPENING
            sample = measure(_call(model, ids, request["mode"]), arguments.device, request["memory"])
        _answer(answers, {"wall": sample.seconds, "cpu": sample.cpu_seconds, "peak": sample.peak_bytes})


def _answer(stream: Any, values: dict[str, Any]) -> None:
    stream.write(json.dumps(values) + "\n")
    stream.flush()


def _call(model: Any, ids: torch.Tensor, mode: str) -> Callable[[], Any]:
    encoder = model.get_encoder() if model.config.is_encoder_decoder else model

    def forward() -> None:
        with torch.inference_mode():
            encoder(input_ids=ids)

    def train() -> None:
        encoder.train()
        encoder(input_ids=ids)[0].float().square().mean().backward()
        encoder.zero_grad(set_to_none=True)
        encoder.eval()

    def generate() -> None:
        with torch.inference_mode():
            model.generate(input_ids=ids, max_new_tokens=128, min_new_tokens=128, num_beams=1, do_sample=False)

    return {"forward": forward, "train": train, "generate": generate}[mode]


if __name__ == "__main__":
    main()
