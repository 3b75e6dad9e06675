"""Tasks by the names that optimum gives them, and what a folder's head can do of them."""

from __future__ import annotations

from collections.abc import Iterator

from lsg_convert.common.errors import RequestError
from lsg_convert.common.text import printable

FEATURES = "feature-extraction"
_GENERATION = ("text2text-generation", "summarization", "translation")
_WITH_PAST = "-with-past"  # as optimum says that a later step has files of its own; here it always has
_OF_HEADS = {
    "AutoModelForMaskedLM": "fill-mask",
    "AutoModelForSequenceClassification": "text-classification",
    "AutoModelForTokenClassification": "token-classification",
    "AutoModelForQuestionAnswering": "question-answering",
    "AutoModelForMultipleChoice": "multiple-choice",
    "AutoModelForCausalLM": "text-generation",
}


def possible_tasks(auto_class: str) -> tuple[str, ...]:
    """What a model with the head of an Auto class can be exported for."""
    if auto_class == "AutoModelForSeq2SeqLM":
        return tuple(_generation())
    own = _OF_HEADS.get(auto_class)
    return (FEATURES,) if own is None else (own, FEATURES)


def wants_features(task: str | None, auto_class: str, architecture: str) -> bool:
    """Whether a task is to be exported that needs no head.

    Raises:
        RequestError: the head cannot do it.
    """
    possible = possible_tasks(auto_class)
    if task is not None and task not in possible:
        raise RequestError(
            f"'{printable(task)}' is not what {printable(architecture)} does: it does {', '.join(possible)}.",
            "Take one of these, or convert the source with an --architecture that has the head.",
        )
    return task == FEATURES


def _generation() -> Iterator[str]:
    for task in _GENERATION:
        yield task
        yield task + _WITH_PAST
