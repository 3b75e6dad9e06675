"""Classification of long documents: fine-tune, and measure accuracy and F1.

    python examples/classify.py lsg-bert-4096 --train articles.jsonl --dev-share 0.1 --output trained
    python examples/classify.py trained --eval test.jsonl --output labels              # evaluation only
    accelerate launch examples/classify.py …                                           # several GPUs

Data are files (JSON lines, CSV, Parquet) or Hub datasets (`owner/name:config@split`); labels are texts or numbers. A
short source is trained and evaluated by the same command: it reads the beginning of every text. Needs
`pip install "lsg-convert[examples]"`.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from datasets import Dataset
from training import (
    add_training_options,
    columns_of,
    input_limit,
    loading_settings,
    read_rows,
    task_parser,
    train,
    training_arguments,
    with_adapters,
    write_results,
)
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer, set_seed


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = task_parser(__doc__, "file, or Hub dataset", "the model, the labels and the figures")
    parser.add_argument("--dev-share", type=float, help="without --eval: keep this share of --train for the evaluation")
    parser.add_argument("--dev-seed", type=int, default=0, help="which rows those are")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--label-column", default="label")
    parser.add_argument("--max-len", type=int, help="tokens of a text (default: what the model can read)")
    add_training_options(parser)
    return parser.parse_args()


def read_data(options: argparse.Namespace) -> tuple[Dataset | None, Dataset | None]:
    """Rows to train on and rows to evaluate on, each with a text and a label that is a text."""

    def read(name: str) -> Dataset:
        rows = columns_of(read_rows(name), options.text_column, options.label_column)
        names = getattr(rows.features[options.label_column], "names", None)
        texts = [names[label] if names else str(label) for label in rows[options.label_column]]
        return Dataset.from_dict({"text": list(rows[options.text_column]), "label": texts})

    training = read(options.train) if options.train else None
    evaluation = read(options.eval) if options.eval else None
    if training is not None and evaluation is None and options.dev_share:
        parts = training.train_test_split(test_size=options.dev_share, seed=options.dev_seed)
        training, evaluation = parts["train"], parts["test"]
    return training, evaluation


def tokenized(rows: Dataset, names: dict[str, int], tokenizer: Any, options: argparse.Namespace) -> Dataset:
    """Texts, and the numbers of their labels."""
    unknown = sorted(set(rows["label"]) - names.keys())
    if unknown:
        raise SystemExit(f"Labels that the model does not have: {', '.join(unknown)}; it has: {', '.join(names)}.")

    def encode(batch: dict[str, list[str]]) -> dict[str, Any]:
        encoded = tokenizer(batch["text"], truncation=True, max_length=options.max_len)
        return {**encoded, "labels": [names[label] for label in batch["label"]]}

    return rows.map(encode, batched=True, batch_size=100, remove_columns=rows.column_names, desc="Tokenize")


def figures(predicted: np.ndarray, expected: np.ndarray, names: dict[str, int]) -> dict[str, Any]:
    """Accuracy, the F1 of every label and their mean, in percent."""
    of_label = {}
    for name, number in names.items():
        both = int(((predicted == number) & (expected == number)).sum())
        either = int((predicted == number).sum() + (expected == number).sum())
        of_label[name] = 100 * 2 * both / either if either else 0.0
    accuracy = 100 * float((predicted == expected).mean())
    return {"accuracy": accuracy, "f1": float(np.mean([*of_label.values()])), "f1_of_label": of_label}


def main() -> None:
    """Train, if there is something to train on; evaluate, if there are labels to compare with."""
    options = read_options()
    set_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.model, trust_remote_code=True)
    training, evaluation = read_data(options)
    labels = {}
    if training is not None:
        order = sorted(set(training["label"]))
        labels = {"num_labels": len(order), "id2label": dict(enumerate(order))}
        labels["label2id"] = {name: number for number, name in enumerate(order)}
    model = AutoModelForSequenceClassification.from_pretrained(
        options.model,
        trust_remote_code=True,
        ignore_mismatched_sizes=training is not None,
        **labels,
        **loading_settings(options),
    )
    options.max_len = options.max_len or input_limit(tokenizer, model)
    names = {str(name): number for name, number in model.config.label2id.items()}
    if training is not None:
        model = with_adapters(model, options)
    trainer = Trainer(
        model=model,
        args=training_arguments(options, label_names=["labels"]),
        train_dataset=None if training is None else tokenized(training, names, tokenizer, options),
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    )
    if training is not None:
        train(trainer, options)
    if evaluation is None:
        return
    found = trainer.predict(tokenized(evaluation, names, tokenizer, options))
    scores = found.predictions[0] if isinstance(found.predictions, tuple) else found.predictions
    predicted = scores.argmax(-1)
    measured = {**figures(predicted, found.label_ids, names), "texts": len(evaluation)}
    if trainer.is_world_process_zero():
        of_number = {number: name for name, number in names.items()}
        write_results(options.output, labels=[of_number[int(label)] for label in predicted], figures=measured)
        print(f"{options.model}: accuracy {measured['accuracy']:.1f}, F1 {measured['f1']:.1f}, {len(evaluation)} texts")


if __name__ == "__main__":
    main()
