"""One encoder three ways, in turns: eager, compiled for every length, and its ONNX file in onnxruntime.

`python benchmarks/graphs.py` prints medians, ratios to eager, how many graphs were compiled for twelve lengths, and the
memory of onnxruntime in processes of their own. The model has BERT-base's width, random weights and a few layers. Needs
the extra `onnx`; memory is read as Linux tells it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers

from lsg_convert import convert
from lsg_convert.export.check import Session
from lsg_convert.export.graph import write_graph
from lsg_convert.export.parts import Texts, whole_model

WIDTH = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
TEXTS = Texts(("input_ids", "attention_mask"), 1000, 0, None)

# Without torch. The peak begins anew once the model is loaded. (`getrusage` would count the process that started this.)
PEAK = """
import pathlib, re, sys
import numpy, onnxruntime

def megabytes(field):
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\\s+(\\d+)", status)[1]) / 1024

file, length, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
ids = numpy.arange(length, dtype=numpy.int64)[None] % 1000
pathlib.Path("/proc/self/clear_refs").write_text("5")
loaded = megabytes("VmRSS")
session.run(None, {"input_ids": ids, "attention_mask": numpy.ones_like(ids)})
print(loaded, megabytes("VmHWM"))
"""


def make_model(place: Path, layers: int, max_len: int) -> Any:
    """A converted encoder."""
    config = transformers.BertConfig(vocab_size=1000, num_hidden_layers=layers, **WIDTH)
    transformers.BertModel(config).save_pretrained(place / "source")
    (place / "source" / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]) + "\n")
    transformers.BertTokenizerFast(str(place / "source" / "vocab.txt")).save_pretrained(place / "source")
    convert(place / "source", output=place / "lsg", max_len=max_len, verify=False)
    return transformers.AutoModel.from_pretrained(place / "lsg", trust_remote_code=True).eval()


def times(sides: dict[str, Callable[[dict[str, torch.Tensor]], Any]], length: int, rounds: int) -> dict[str, float]:
    """Median seconds of each side, in turns, after one that does not count."""
    inputs = TEXTS.make(1, length)
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(rounds + 1):
        for side, call in sides.items():
            start = time.perf_counter()
            call(inputs)
            if turn:
                seconds[side].append(time.perf_counter() - start)
    return {side: median(values) for side, values in seconds.items()}


def graphs_compiled(model: Any, compiled: Any, longest: int) -> tuple[int, int]:
    """At how many lengths the compiled model ran, from 3 to `longest`, and how many graphs that took."""
    short = [3, 64, 128, 200, 256, 257, 300, 384, 500, 640, 777]
    lengths = [*(length for length in short if length < longest), longest]
    for length in lengths:
        inputs = TEXTS.make(1, length)
        difference = (compiled(**inputs)[0] - model(**inputs)[0]).abs().max()
        assert difference < 1e-4, f"{length} tokens: {difference}"
    return len(lengths), torch._dynamo.utils.counters["stats"]["unique_graphs"]


def peak(model: Path, length: int, threads: int) -> tuple[float, float]:
    """Megabytes of a process that has nothing but onnxruntime: with the model loaded, and at most with one text."""
    command = [sys.executable, "-I", "-c", PEAK, str(model), str(length), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded, most = map(float, done.stdout.split())
    return loaded, most


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", default="512,1024,2048,4096,8192,16384")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    lengths = [int(length) for length in given.lengths.split(",")]
    with tempfile.TemporaryDirectory() as name, torch.inference_mode():
        file = Path(name) / "model.onnx"
        model = make_model(Path(name), given.layers, max(lengths))
        (part,) = whole_model(model, TEXTS)
        write_graph(part, tuple(TEXTS.make(2, 389).values()), file)
        session = Session(file)
        compiled = torch.compile(model, dynamic=True, fullgraph=True)
        sides: dict[str, Callable[[dict[str, torch.Tensor]], Any]] = {
            "eager": lambda inputs: model(**inputs),
            "compiled": lambda inputs: compiled(**inputs),
            "onnxruntime": session.run,
        }
        print("seconds (medians), and ratios to eager")
        print(f"{'tokens':>7}" + "".join(f"{side:>14}" for side in sides) + "   compiled, onnxruntime", flush=True)
        for length in lengths:
            found = times(sides, length, given.rounds)
            ratios = ", ".join(f"{found[side] / found['eager']:.2f}" for side in ("compiled", "onnxruntime"))
            print(f"{length:>7}" + "".join(f"{value:>14.3f}" for value in found.values()) + f"   {ratios}", flush=True)
        print(
            "graphs compiled: {1} for {0} lengths".format(*graphs_compiled(model, compiled, max(lengths))), flush=True
        )
        print("megabytes of onnxruntime in a process of its own: with the model, at most, for a text, for a token")
        for length in lengths:
            loaded, most = peak(file, length, given.threads)
            used = most - loaded
            print(f"{length:>7}{loaded:>14.0f}{most:>14.0f}{used:>14.0f}{used / length:>14.4f}", flush=True)


if __name__ == "__main__":
    main()
