"""What a converted embedding model is worth for search, without training: long documents found by questions about them.

Sides: the first tokens that the source reads; the mean of its vectors of all chunks; the best chunk; and the converted
model, which reads the whole document as one vector, with the settings named (`lsg:num_global_tokens=0,block_size=256`).
A question counts when its own document comes first (acc@1). The questions are short: how near the converted model's
vectors of them are to the source's is printed too, as the smallest cosine.

    python benchmarks/retrieval.py MODEL --squad covidqa.train.json --sides "first;mean of chunks;best of chunks;lsg"
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.sides import option_value  # noqa: E402
from examples.retrieval import Task, accuracy, read_squad_task, retrieval  # noqa: E402


def source_sides(model: Any, task: Task) -> dict[str, Callable[[], float]]:
    """What can be done with the source alone."""
    names = {"first": "document", "mean of chunks": "mean of chunks", "best of chunks": "best of chunks"}
    size = model.max_seq_length - 2
    return {side: lambda name=name: retrieval(model, task, size, [name], 32)[name] for side, name in names.items()}


def converted_side(folder: Path, options: dict[str, Any], task: Task, source: Any) -> tuple[float, float]:
    """Of the converted model with these settings, one vector a document: acc@1, and the smallest cosine to `source`."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), trust_remote_code=True, device="cpu", config_kwargs=options)
    questions = model.encode(task.questions, normalize_embeddings=True)
    documents = model.encode(task.documents, normalize_embeddings=True, batch_size=1)
    cosine = (questions * source.encode(task.questions, normalize_embeddings=True)).sum(1).min()
    return accuracy(questions @ documents.T, task.answers), float(cosine)


def main() -> None:
    """Measure every side and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a sentence-transformers folder, dense")
    parser.add_argument("--squad", type=Path, required=True, help="questions in SQuAD's format")
    parser.add_argument("--documents", type=int, default=12, help="how many, those with the most questions")
    parser.add_argument("--max-len", type=int, default=4096)
    parser.add_argument("--sides", default="first;mean of chunks;best of chunks;lsg")
    given = parser.parse_args()

    from sentence_transformers import SentenceTransformer

    from lsg_convert import convert

    task = read_squad_task(given.squad, given.documents)
    print(f"{len(task.documents)} documents, {len(task.questions)} questions; acc@1 in percent")
    dense = SentenceTransformer(given.model, device="cpu")
    source = source_sides(dense, task)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "converted")
        convert(given.model, max_len=given.max_len, output=folder, verify=False)
        for side in given.sides.split(";"):
            started = time.monotonic()
            name, _, text = side.partition(":")
            options = {key: option_value(value) for key, value in (pair.split("=") for pair in text.split(",") if pair)}
            found, cosine = (source[name](), 1.0) if name in source else converted_side(folder, options, task, dense)
            print(f"{side:60} {found:.1f}   {time.monotonic() - started:6.1f} s   cosine {cosine:.6f}", flush=True)


if __name__ == "__main__":
    main()
