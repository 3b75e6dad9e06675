"""What a converted embedding model is worth for search, without training: long documents found by questions about them.

Sides: the first tokens that the source reads; the mean of its vectors of all chunks; the best chunk; and the converted
model, which reads the whole document as one vector, with the settings named (`lsg:num_global_tokens=0,block_size=256`).
A question counts when its own document comes first (acc@1). The questions are short: how near the converted model's
vectors of them are to the source's is printed too, as the smallest cosine.

    python benchmarks/retrieval.py MODEL --squad covidqa.train.json --sides "first;mean of chunks;best of chunks;lsg"
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.sides import option_value  # noqa: E402


class Task(NamedTuple):
    """Documents, and questions with the number of the document that answers each."""

    documents: list[str]
    questions: list[str]
    answers: list[int]


def read_squad(path: Path, count: int) -> Task:
    """The `count` documents of a SQuAD-format file that have the most questions, and their questions."""
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    paragraphs = sorted((p for article in articles for p in article["paragraphs"]), key=lambda p: -len(p["qas"]))[
        :count
    ]
    asked = [(qa["question"], number) for number, paragraph in enumerate(paragraphs) for qa in paragraph["qas"]]
    return Task([p["context"] for p in paragraphs], [question for question, _ in asked], [n for _, n in asked])


def chunks(tokenizer: Any, text: str, size: int) -> Iterator[str]:
    """The text in pieces of at most `size` tokens, without special ones."""
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    for start in range(0, len(offsets), size):
        part = offsets[start : start + size]
        yield text[part[0][0] : part[-1][1]]


def accuracy(scores: Any, answers: list[int]) -> float:
    """Share of questions whose document has the highest score; scores are [questions, documents]."""
    return sum(int(row.argmax()) == answer for row, answer in zip(scores, answers, strict=True)) / len(answers)


def source_sides(model: Any, task: Task) -> dict[str, Callable[[], float]]:
    """What can be done with the source alone."""
    import numpy

    questions = model.encode(task.questions, normalize_embeddings=True)
    size = model.max_seq_length - 2

    def by_chunk(best: bool) -> float:
        columns = []
        for document in task.documents:
            vectors = model.encode(list(chunks(model.tokenizer, document, size)), normalize_embeddings=True)
            mean = vectors.mean(0) / numpy.linalg.norm(vectors.mean(0))
            columns.append((questions @ vectors.T).max(1) if best else questions @ mean)
        return accuracy(numpy.stack(columns, 1), task.answers)

    return {
        "first": lambda: accuracy(questions @ model.encode(task.documents, normalize_embeddings=True).T, task.answers),
        "mean of chunks": lambda: by_chunk(best=False),
        "best of chunks": lambda: by_chunk(best=True),
    }


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

    task = read_squad(given.squad, given.documents)
    print(f"{len(task.documents)} documents, {len(task.questions)} questions; acc@1")
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
            print(f"{side:60} {found:.3f}   {time.monotonic() - started:6.1f} s   cosine {cosine:.6f}", flush=True)


if __name__ == "__main__":
    main()
