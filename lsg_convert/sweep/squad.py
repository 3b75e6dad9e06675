"""SQuAD files: reading them, windows of their contexts, answers from a model's scores, exact match and F1."""

from __future__ import annotations

import collections
import json
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

MAX_ANSWER_TOKENS = 64


def read_squad(path: Path) -> list[dict[str, Any]]:
    """The questions of a SQuAD file (1.1 or 2.0)."""
    return questions_of(json.loads(path.read_text(encoding="utf-8")))


def questions_of(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of what a SQuAD file holds the questions: id, question, context, texts and starts of their answers."""
    return [
        {
            "id": str(question["id"]),
            "question": question["question"].strip(),
            "context": paragraph["context"],
            "answers": [answer["text"] for answer in question["answers"]],
            "starts": [answer["answer_start"] for answer in question["answers"]],
        }
        for article in content["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]


def windows(
    rows: Mapping[str, list[Any]], indices: Sequence[int], tokenizer: Any, max_length: int, stride: int
) -> dict[str, list[Any]]:
    """Questions with the windows of their contexts, ``stride`` tokens of which are also in the next one.

    Of each window: what the model takes, the index of its row, and for tokens of the context their characters (start,
    end), for others (-1, -1).
    """
    encoded = tokenizer(
        rows["question"],
        rows["context"],
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    result = {name: encoded[name] for name in tokenizer.model_input_names if name in encoded}
    result["row"] = [indices[number] for number in encoded["overflow_to_sample_mapping"]]
    result["characters"] = [
        [span if part == 1 else (-1, -1) for span, part in zip(spans, encoded.sequence_ids(i), strict=True)]
        for i, spans in enumerate(encoded["offset_mapping"])
    ]
    return result


def tokens_of_answer(characters: Sequence[Sequence[int]], start: int, end: int) -> tuple[int, int]:
    """First and last token of the characters start … end - 1; (0, 0), the opening token, if the window lacks some."""
    spans = np.asarray(characters)
    inside = np.flatnonzero((spans[:, 1] > start) & (spans[:, 0] < end) & (spans[:, 0] >= 0))
    covers = len(inside) > 0 and spans[inside[0], 0] <= start and spans[inside[-1], 1] >= end
    return (int(inside[0]), int(inside[-1])) if covers else (0, 0)


def best_answers(
    context: str, of_windows: Iterable[tuple[Sequence[Sequence[int]], np.ndarray, np.ndarray]], num_best: int
) -> tuple[list[dict[str, Any]], float]:
    """The ``num_best`` answers with the largest scores, each with its characters, and the score of there being none.

    Args:
        of_windows: of each window its tokens' characters, and their scores as the first and last token of the answer.
    """
    found: dict[tuple[int, int], float] = {}
    no_answer = float("inf")
    for characters, first_scores, last_scores in of_windows:
        spans = np.asarray(characters)
        no_answer = min(no_answer, float(first_scores[0] + last_scores[0]))
        context_tokens = np.flatnonzero(spans[:, 0] >= 0)
        firsts, lasts = (
            context_tokens[np.argsort(-scores[context_tokens], kind="stable")[:num_best]]
            for scores in (first_scores, last_scores)
        )
        for first in firsts:
            for last in lasts:
                if first <= last < first + MAX_ANSWER_TOKENS:
                    span = int(spans[first, 0]), int(spans[last, 1])
                    found[span] = max(found.get(span, -np.inf), float(first_scores[first] + last_scores[last]))
    ranked = sorted(found.items(), key=lambda item: -item[1])[:num_best]
    answers = [
        {"text": context[start:end], "start": start, "end": end, "score": score} for (start, end), score in ranked
    ]
    return answers, no_answer


def normalized(answer: str) -> str:
    """Lower case, no punctuation, no English articles, single spaces: how SQuAD compares answers."""
    bare = "".join(character for character in answer.lower() if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def f1(answer: str, reference: str) -> float:
    """The harmonic mean of precision and recall of the reference's words."""
    words, expected = normalized(answer).split(), normalized(reference).split()
    if not words or not expected:
        return float(words == expected)
    common = sum((collections.Counter(words) & collections.Counter(expected)).values())
    return 2 * common / (len(words) + len(expected))


def figures(answers: Mapping[str, str], questions: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Exact match and F1 in percent, the mean over all questions of the best reference's."""
    pairs = [(answers[question["id"]], question["answers"] or [""]) for question in questions]
    exact = [
        max(normalized(answer) == normalized(reference) for reference in references) for answer, references in pairs
    ]
    overlap = [max(f1(answer, reference) for reference in references) for answer, references in pairs]
    return {"exact": 100 * float(np.mean(exact)), "f1": 100 * float(np.mean(overlap)), "questions": len(pairs)}
