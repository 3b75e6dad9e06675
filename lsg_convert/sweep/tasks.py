"""Task files: texts with references of the user's own, and the figures of a model on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable, read_limited, user_path
from lsg_convert.sweep import squad
from lsg_convert.sweep.rouge import KINDS, check_rouge, rouge

Row = Mapping[str, Any]
_FILE_LIMIT = 2**28
_STRIDE = 128  # tokens that neighbouring windows of a context share
_ANSWERS = 20  # candidates of a window


@dataclass(frozen=True)
class Kind:
    """What rows of a file are for.

    columns: those that a row has. auto_class: of the head that can do it. answer: what the model makes of a row, by
    (model, tokenizer, row, max_len). figures: of one row and its answer, in percent. compared: the one that decides.
    """

    name: str
    columns: tuple[str, ...]
    auto_class: str
    compared: str
    answer: Callable[[Any, Any, Row, int], Any]
    figures: Callable[[Row, Any], dict[str, float]]


def _summary(model: Any, tokenizer: Any, row: Row, max_len: int) -> str:
    """A summary as the folder's own generation settings have it, at most twice as long as the reference."""
    import torch

    given = tokenizer(row["text"], truncation=True, max_length=max_len, return_tensors="pt")
    longest = 2 * len(tokenizer(row["summary"])["input_ids"])
    with torch.no_grad():
        found = model.generate(
            input_ids=given["input_ids"].to(model.device),
            attention_mask=given["attention_mask"].to(model.device),
            max_new_tokens=longest,
        )
    return str(tokenizer.decode(found[0], skip_special_tokens=True)).strip()


def _span(model: Any, tokenizer: Any, row: Row, max_len: int) -> str:
    """The best answer of all windows of the context."""
    import torch

    pair = {"question": [row["question"]], "context": [row["context"]]}
    cut = squad.windows(pair, [0], tokenizer, max_len, min(_STRIDE, max_len // 4))
    scored = []
    for number, characters in enumerate(cut["characters"]):
        names = [name for name in cut if name not in ("row", "characters")]
        with torch.no_grad():
            found = model(**{name: torch.tensor([cut[name][number]], device=model.device) for name in names})
        scored.append((characters, found["start_logits"][0].cpu().numpy(), found["end_logits"][0].cpu().numpy()))
    best, _ = squad.best_answers(row["context"], scored, _ANSWERS)
    return str(best[0]["text"]) if best else ""


def _label(model: Any, tokenizer: Any, row: Row, max_len: int) -> str:
    import torch

    given = tokenizer(row["text"], truncation=True, max_length=max_len, return_tensors="pt").to(model.device)
    with torch.no_grad():
        number = int(model(**given)["logits"][0].argmax())
    return str(model.config.id2label.get(number, number))


def _rouge_figures(row: Row, answer: str) -> dict[str, float]:
    found = rouge([answer], [row["summary"]])
    return {"ROUGE": sum(found[kind] for kind in KINDS[:3]) / 3, **found}


def _squad_figures(row: Row, answer: str) -> dict[str, float]:
    found = squad.figures({row["id"]: answer}, [row])
    return {"F1": found["f1"], "exact match": found["exact"]}


def _label_figures(row: Row, answer: str) -> dict[str, float]:
    return {"accuracy": 100.0 * (answer == str(row["label"]))}


SUMMARIES = Kind("summaries", ("text", "summary"), "AutoModelForSeq2SeqLM", "ROUGE", _summary, _rouge_figures)
QUESTIONS = Kind(
    "questions", ("question", "context", "answers"), "AutoModelForQuestionAnswering", "F1", _span, _squad_figures
)
LABELS = Kind("labels", ("text", "label"), "AutoModelForSequenceClassification", "accuracy", _label, _label_figures)
KINDS_OF_TASKS = (SUMMARIES, QUESTIONS, LABELS)
_EXPECTED = (
    "Give a SQuAD file (.json), or JSON lines with the fields text and summary, or text and label, in every line."
)


@dataclass(frozen=True)
class Task:
    """Rows of one kind."""

    kind: Kind
    rows: Sequence[Row]


def read_task(path: str | Path, count: int, auto_class: str) -> Task:
    """The first `count` rows of a file, for a model with a head that `auto_class` loads.

    Raises:
        RequestError: there is no such file, it holds something else, or the head cannot do it.
        OutsideError: it cannot be read.
    """
    shown = printable(path, 300)
    data = read_limited(user_path(path), _FILE_LIMIT)
    try:
        if Path(path).suffix == ".json":
            rows: list[Any] = squad.questions_of(json.loads(data))
        else:
            rows = [json.loads(line) for line in data.splitlines() if line.strip()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RequestError(f"'{shown}' cannot be read as a task: {printable(error, 200)}.", _EXPECTED) from error
    rows = rows[:count]
    shared = set.intersection(*({*row} if isinstance(row, dict) else set() for row in rows)) if rows else set()
    kind = next((kind for kind in KINDS_OF_TASKS if shared.issuperset(kind.columns)), None)
    if kind is None:
        raise RequestError(f"'{shown}' holds no task that is known.", _EXPECTED)
    if kind.auto_class != auto_class:
        raise RequestError(
            f"'{shown}' holds {kind.name}, for a model that {kind.auto_class} loads; this folder's is {auto_class}.",
            "Give another file, or --text with plain text.",
        )
    if kind is SUMMARIES:
        check_rouge()
    return Task(kind, rows)
