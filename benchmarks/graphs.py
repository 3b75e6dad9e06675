"""One encoder three ways, in turns: eager, compiled for every length, and its ONNX file in onnxruntime.

`python benchmarks/graphs.py` prints medians, ratios to eager, and how many graphs were compiled. The model has
BERT-base's width, random weights and a few layers. Needs the extra `onnx`.
"""

from __future__ import annotations

import argparse
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


def make_model(place: Path, layers: int, max_len: int) -> Any:
    """A converted encoder."""
    config = transformers.BertConfig(vocab_size=1000, num_hidden_layers=layers, **WIDTH)
    transformers.BertModel(config).save_pretrained(place / "source")
    (place / "source" / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]) + "\n")
    transformers.BertTokenizerFast(str(place / "source" / "vocab.txt")).save_pretrained(place / "source")
    convert(place / "source", output=place / "lsg", max_len=max_len, verify=False)
    return transformers.AutoModel.from_pretrained(place / "lsg", trust_remote_code=True).eval()


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
        model = make_model(Path(name), given.layers, max(lengths))
        (part,) = whole_model(model, TEXTS)
        example = TEXTS.make(2, 389)
        write_graph(part, tuple(example.values()), Path(name) / "model.onnx")
        session = Session(Path(name) / "model.onnx")
        compiled = torch.compile(model, dynamic=True, fullgraph=True)
        sides: dict[str, Callable[[dict[str, torch.Tensor]], Any]] = {
            "eager": lambda inputs: model(**inputs),
            "compiled": lambda inputs: compiled(**inputs),
            "onnxruntime": session.run,
        }
        print(f"{'tokens':>7}" + "".join(f"{side:>14}" for side in sides) + "   ratios to eager", flush=True)
        for length in lengths:
            inputs = TEXTS.make(1, length)
            seconds: dict[str, list[float]] = {side: [] for side in sides}
            for turn in range(given.rounds + 1):
                for side, call in sides.items():
                    start = time.perf_counter()
                    call(inputs)
                    if turn:
                        seconds[side].append(time.perf_counter() - start)
            times = {side: median(values) for side, values in seconds.items()}
            ratios = ", ".join(f"{times[side] / times['eager']:.2f}" for side in sides)
            print(f"{length:>7}" + "".join(f"{value:>14.3f}" for value in times.values()) + f"   {ratios}", flush=True)
    print(f"graphs compiled: {torch._dynamo.utils.counters['stats']['unique_graphs']}")


if __name__ == "__main__":
    main()
