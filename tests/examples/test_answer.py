"""`examples/answer.py`, and what it reads and counts: windows, answers, SQuAD's figures, a training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsg_convert import convert
from lsg_convert.sweep import squad
from tests.examples.scripts import result, run_script

CONTEXT = "The wind came from the north. " * 12 + "A letter was found in Paris. " + "The sea was calm. " * 12
QUESTIONS = [("Where was a letter found?", "Paris"), ("What was calm?", "The sea"), ("Who wrote the letter?", None)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQuAD 2.0 file: a context, two questions that it answers and one that it does not."""
    questions = [
        {
            "id": number,
            "question": question,
            "is_impossible": answer is None,
            "answers": [] if answer is None else [{"text": answer, "answer_start": CONTEXT.index(answer)}],
        }
        for number, (question, answer) in enumerate(QUESTIONS)
    ]
    path = tmp_path_factory.mktemp("squad") / "train.json"
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": CONTEXT, "qas": questions}]}]}))
    return path


@pytest.mark.parametrize(
    ("answer", "reference", "exact", "f1"),
    [
        ("The  Sea!", "sea", 1, 1.0),
        ("an apple, red", "a red apple", 0, 1.0),
        ("in Paris", "Paris", 0, 2 / 3),
        ("north", "Paris", 0, 0.0),
        ("", "", 1, 1.0),
        ("", "Paris", 0, 0.0),
        ("the the north", "north north", 0, 2 / 3),
    ],
)
def test_figures_are_those_of_squad(answer: str, reference: str, exact: int, f1: float) -> None:
    found = squad.figures({"q": answer}, [{"id": "q", "answers": [reference]}])
    assert found["exact"] == 100 * exact and found["f1"] == pytest.approx(100 * f1)


def test_the_best_reference_counts_and_none_is_an_empty_answer() -> None:
    questions = [{"id": "a", "answers": ["Rome", "Paris"]}, {"id": "b", "answers": []}]
    assert squad.figures({"a": "paris", "b": ""}, questions)["exact"] == 100
    assert squad.figures({"a": "paris", "b": "Rome"}, questions)["exact"] == 50


def test_every_answer_is_found_in_some_window_at_its_characters(file: Path, checkpoint: Callable[..., Path]) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint("bert", "BertForQuestionAnswering"))
    questions = squad.read_squad(file)
    rows = {name: [question[name] for question in questions] for name in questions[0]}
    # As in a second batch of rows, which have numbers of their own.
    cut = squad.windows(rows, range(7, 10), tokenizer, max_length=60, stride=10)
    cut["row"] = [row - 7 for row in cut["row"]]
    assert len(cut["row"]) > 2 * len(questions) and max(map(len, cut["input_ids"])) <= 60
    found: dict[int, set[str]] = {}
    for row, characters in zip(cut["row"], cut["characters"], strict=True):
        if not questions[row]["answers"]:
            continue
        text, start = questions[row]["answers"][0], questions[row]["starts"][0]
        first, last = squad.tokens_of_answer(characters, start, start + len(text))
        inside = characters[0][0] == -1 and last > 0
        found.setdefault(row, set()).add(CONTEXT[characters[first][0] : characters[last][1]] if inside else "")
    assert found == {0: {"", "Paris"}, 1: {"", "The sea"}} or found == {0: {"", "Paris"}, 1: {"The sea", ""}}


def test_answers_are_ranked_over_all_windows_and_lie_in_the_context() -> None:
    context, none = "one two three four", (-1, -1)
    # The first token is the opening one, the second one of the question: neither is an answer, whatever it scores.
    first = ([none, none, (0, 3), (4, 7)], np.array([1.0, 99.0, 0.0, 2.0]), np.array([1.0, 99.0, 5.0, 1.0]))
    second = ([none, none, (8, 13), (14, 18)], np.array([0.5, 99.0, 3.0, 0.0]), np.array([0.0, 99.0, 0.0, 4.0]))
    answers, no_answer = squad.best_answers(context, [first, second], num_best=3)
    assert [answer["text"] for answer in answers] == ["three four", "one", "four"]
    assert [context[answer["start"] : answer["end"]] for answer in answers] == [a["text"] for a in answers]
    assert answers[0]["score"] == 7.0 and no_answer == 0.5  # the last token never stands before the first


def run(*arguments: Any) -> dict[str, Any]:
    """Run the script and return the figures that it wrote."""
    run_script("answer.py", *arguments)
    output = Path(arguments[arguments.index("--output") + 1])
    for answer in result(output, "answers").values():
        assert all(CONTEXT[best["start"] : best["end"]] == best["text"] for best in answer["best"])
    return result(output)


@pytest.mark.slow
def test_a_long_model_learns_where_the_answers_are(file: Path, checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    source = checkpoint("bert", "BertForQuestionAnswering", num_labels=2)
    convert(
        source,
        output=tmp_path / "lsg",
        verify=False,
        max_len=256,
        block_size=32,
        sparse_block_size=32,
        automatic_globals="question",
    )
    options = ["--train", file, "--eval", file, "--batch", 4, "--batch-in-memory", 4, "--learning-rate", 0.005]
    figures = run(
        tmp_path / "lsg",
        *options,
        "--output",
        tmp_path / "trained",
        "--steps",
        160,
        "--empty-windows",
        2,
        "--question-global",
        "--no-answer",
    )
    assert figures["exact"] == 100  # it has seen nothing else
    again = run(tmp_path / "trained", "--eval", file, "--output", tmp_path / "again", "--no-answer")
    assert again == figures  # saved with its rule for global tokens, and loaded with it
