"""ROUGE of summaries, by Google's `rouge_score`."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence

from lsg_convert.common.errors import RequestError

KINDS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def check_rouge() -> None:
    """Raise RequestError where `rouge_score` is not installed."""
    if importlib.util.find_spec("rouge_score") is None:
        raise RequestError("ROUGE needs rouge_score, which is not installed.", "pip install 'lsg-convert[examples]'.")


def rouge(predictions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """F-measures in percent, the mean over all texts, words reduced to their stems; rougeLsum goes by sentences."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(KINDS, use_stemmer=True)
    totals = dict.fromkeys(KINDS, 0.0)
    for prediction, reference in zip(predictions, references, strict=True):
        scores = scorer.score(in_sentences(reference), in_sentences(prediction))
        totals = {kind: total + scores[kind].fmeasure for kind, total in totals.items()}
    return {kind: 100 * total / max(1, len(predictions)) for kind, total in totals.items()}


def in_sentences(text: str) -> str:
    """The text with a line break after every sentence, as rougeLsum wants it."""
    return _SENTENCE_END.sub("\n", text.strip())
