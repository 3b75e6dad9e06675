"""Extractive question answering over documents: fine-tune on a SQuAD file, answer, and measure exact match and F1.

    python examples/answer.py lsg-bert-4096 --train train.json --eval dev.json --output trained --question-global
    python examples/answer.py trained --eval dev.json --output answers          # evaluation only
    accelerate launch examples/answer.py …                                      # several GPUs

A context longer than `--max-len` tokens is read in windows that overlap; the best answer of all windows counts. A short
source is evaluated by the same command. Needs `pip install "lsg-convert[examples]"`.
"""

from __future__ import annotations

import argparse
import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from training import (
    add_training_options,
    input_limit,
    loading_settings,
    task_parser,
    train,
    training_arguments,
    with_adapters,
    write_results,
)
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, DataCollatorWithPadding, Trainer, set_seed

from lsg_convert.sweep.squad import best_answers, figures, read_squad, tokens_of_answer, windows


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = task_parser(__doc__, "SQuAD file", "the model, the answers and the figures")
    parser.add_argument("--max-len", type=int, help="tokens of a window (default: what the model can read)")
    parser.add_argument("--stride", type=int, default=128, help="tokens that neighbouring windows share")
    parser.add_argument(
        "--empty-windows", type=int, default=1, help="windows without the answer to train on, a question"
    )
    parser.add_argument(
        "--question-global", action="store_true", help="the question's tokens attend to all, and all to them"
    )
    parser.add_argument("--no-answer", action="store_true", help="a question may have no answer, as in SQuAD 2.0")
    parser.add_argument("--num-best", type=int, default=20, help="answers to keep of each question")
    add_training_options(parser, epochs=2)
    return parser.parse_args()


def training_rows(questions: list[dict[str, Any]], tokenizer: Any, options: argparse.Namespace) -> Dataset:
    """Windows with the tokens of their answer, and of each question some windows that lack it."""
    draw = random.Random(options.seed)
    encoded = _encode(questions, tokenizer, options)
    columns = [name for name in encoded.column_names if name not in ("row", "characters")]
    kept: list[dict[str, Any]] = []
    empty: dict[int, list[dict[str, Any]]] = {}
    for window in encoded:
        question = questions[window["row"]]
        first, last = 0, 0
        if question["answers"]:
            text, start = question["answers"][0], question["starts"][0]
            first, last = tokens_of_answer(window["characters"], start, start + len(text.rstrip()))
        row = {name: window[name] for name in columns} | {"start_positions": first, "end_positions": last}
        (kept if last else empty.setdefault(window["row"], [])).append(row)
    for rows in empty.values():
        kept += draw.sample(rows, min(options.empty_windows, len(rows)))
    draw.shuffle(kept)
    return Dataset.from_list(kept)


def answer(
    questions: list[dict[str, Any]], trainer: Trainer, tokenizer: Any, options: argparse.Namespace
) -> dict[str, Any]:
    """Every question's answers, the best first; with `--no-answer` an empty one where none scores higher."""
    encoded = _encode(questions, tokenizer, options)
    # Of one length each, so that a batch has little padding.
    encoded = encoded.add_column("length", [len(ids) for ids in encoded["input_ids"]]).sort("length")
    first_scores, last_scores = trainer.predict(encoded.remove_columns(["row", "characters", "length"])).predictions[:2]
    of_question: dict[int, list[tuple[Any, np.ndarray, np.ndarray]]] = {}
    for window, first, last in zip(encoded, first_scores, last_scores, strict=True):
        length = window["length"]
        of_question.setdefault(window["row"], []).append((window["characters"], first[:length], last[:length]))
    result = {}
    for row, question in enumerate(questions):
        best, no_answer = best_answers(question["context"], of_question[row], options.num_best)
        is_empty = options.no_answer and (not best or no_answer > best[0]["score"])
        text = "" if is_empty or not best else best[0]["text"]
        result[question["id"]] = {"answer": text, "no_answer_score": no_answer, "best": best}
    return result


def _encode(questions: list[dict[str, Any]], tokenizer: Any, options: argparse.Namespace) -> Dataset:
    rows = Dataset.from_list(questions)
    cut = partial(windows, tokenizer=tokenizer, max_length=options.max_len, stride=options.stride)
    return rows.map(
        cut, batched=True, batch_size=100, with_indices=True, remove_columns=rows.column_names, desc="Tokenize"
    )


def main() -> None:
    """Train, if there is something to train on; answer, if there are questions."""
    options = read_options()
    set_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.model, trust_remote_code=True)
    rule = {"automatic_globals": "question", "separator_token_id": tokenizer.sep_token_id}
    overrides = rule if options.question_global else {}
    model = AutoModelForQuestionAnswering.from_pretrained(
        options.model, trust_remote_code=True, **overrides, **loading_settings(options)
    )
    options.max_len = options.max_len or input_limit(tokenizer, model)
    rows = training_rows(read_squad(Path(options.train)), tokenizer, options) if options.train else None
    if rows is not None:
        model = with_adapters(model, options)
    trainer = Trainer(
        model=model,
        args=training_arguments(options, label_names=["start_positions", "end_positions"]),
        train_dataset=rows,
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    )
    if rows is not None:
        train(trainer, options)
    if options.eval:
        questions = read_squad(Path(options.eval))
        answers = answer(questions, trainer, tokenizer, options)
        measured = figures({key: value["answer"] for key, value in answers.items()}, questions)
        if trainer.is_world_process_zero():
            write_results(options.output, answers=answers, figures=measured)
            exact, overlap = measured["exact"], measured["f1"]
            print(f"{options.model}: exact match {exact:.1f}, F1 {overlap:.1f}, {len(questions)} questions")


if __name__ == "__main__":
    main()
