"""Retrieval: documents that are found by questions about them, by one vector a document or by vectors of its chunks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lsg_convert.sweep.rouge import in_sentences


class Task(NamedTuple):
    """Documents, and questions with the number of the document that answers each."""

    documents: list[str]
    questions: list[str]
    answers: list[int]


def task_of(pairs: Iterable[tuple[str, str]], by_sentence: bool = False) -> Task:
    """The task of pairs of question and document; `by_sentence` makes every sentence of a question one of its own."""
    numbers: dict[str, int] = {}
    asked: list[tuple[str, int]] = []
    for question, document in pairs:
        number = numbers.setdefault(document, len(numbers))
        asked += [(each, number) for each in (in_sentences(question).split("\n") if by_sentence else [question])]
    return Task(list(numbers), [question for question, _ in asked], [number for _, number in asked])


def read_squad_task(path: Path, count: int | None = None) -> Task:
    """The `count` documents of a SQuAD file that have the most questions, and their questions."""
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    most = sorted(paragraphs, key=lambda paragraph: -len(paragraph["qas"]))[:count]
    return task_of((question["question"], each["context"]) for each in most for question in each["qas"])


def chunks(tokenizer: Any, text: str, size: int) -> list[str]:
    """The text in pieces of at most `size` tokens, special ones not counted."""
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    parts = [offsets[start : start + size] for start in range(0, len(offsets), size)]
    return [text[part[0][0] : part[-1][1]] for part in parts]


def late_chunks(model: Any, text: str, size: int) -> np.ndarray:
    """Vectors [chunks, width] of a text's chunks, each made of tokens that have seen the whole text.

    The model, a SentenceTransformer, reads as much as it can at once, of a longer text one piece after the other; then
    its own pooling, and what comes behind it, is applied to every `size` tokens. A text of one chunk has the vector
    that `model.encode` gives. Known as late chunking (arXiv:2409.04701).
    """
    import torch

    vectors = []
    for piece in chunks(model.tokenizer, text, model.max_seq_length - model.tokenizer.num_special_tokens_to_add()):
        encoded = model.tokenizer(
            piece, truncation=True, max_length=model.max_seq_length, return_special_tokens_mask=True, verbose=False
        )
        content = [i for i, special in enumerate(encoded["special_tokens_mask"]) if not special]
        states = model.encode(piece, output_value="token_embeddings", convert_to_numpy=False, show_progress_bar=False)
        # What opens the text belongs to its first chunk, what closes it to its last one.
        starts = [0, *content[size::size]]
        spans = [states[start:end] for start, end in zip(starts, [*starts[1:], len(states)], strict=True)]
        padded = torch.nn.utils.rnn.pad_sequence(spans, batch_first=True)
        lengths = torch.tensor([len(span) for span in spans], device=padded.device)
        mask = torch.arange(padded.shape[1], device=padded.device)[None] < lengths[:, None]
        features = {"token_embeddings": padded, "attention_mask": mask.long()}
        with torch.no_grad():
            for module in list(model)[1:]:
                features = module(features)
        vectors.append(features["sentence_embedding"].float().cpu().numpy())
    return np.concatenate(vectors)


def accuracy(scores: np.ndarray, answers: list[int]) -> float:
    """Share of questions whose document has the highest score, in percent; scores are [questions, documents]."""
    return 100 * float((scores.argmax(1) == np.asarray(answers)).mean())


def retrieval(model: Any, task: Task, size: int, sides: Iterable[str], batch_size: int = 1) -> dict[str, float]:
    """acc@1 of every side: documents as one vector, as `size`-token chunks embedded alone, as late chunks.

    Of chunks the best one counts; "mean of chunks" is one vector again.
    """

    def encode(texts: list[str]) -> np.ndarray:
        return np.asarray(
            model.encode(texts, normalize_embeddings=True, batch_size=batch_size, show_progress_bar=False)
        )

    questions = encode(task.questions)
    alone: list[np.ndarray] = []

    def of_chunks() -> list[np.ndarray]:
        if not alone:
            alone.extend(encode(chunks(model.tokenizer, document, size)) for document in task.documents)
        return alone

    def best(parts: Iterable[np.ndarray]) -> np.ndarray:
        return np.stack([(questions @ _unit(part).T).max(1) for part in parts], 1)

    measures = {
        "document": lambda: questions @ encode(task.documents).T,
        "mean of chunks": lambda: questions @ np.stack([_unit(part.mean(0)) for part in of_chunks()]).T,
        "best of chunks": lambda: best(of_chunks()),
        "late chunks": lambda: best(late_chunks(model, document, size) for document in task.documents),
    }
    return {side: accuracy(measures[side](), task.answers) for side in sides}


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


SIDES = ("document", "mean of chunks", "best of chunks", "late chunks")
