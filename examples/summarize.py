"""Summarization of long documents: fine-tune, write summaries, measure ROUGE for one setting or the published table.

    python examples/summarize.py lsg-bart-base-4096 --train train.jsonl --eval test.jsonl --output trained
    python examples/summarize.py trained --eval test.jsonl --output summaries        # evaluation only
    python examples/summarize.py trained --eval test.jsonl --output table --grid     # the table of the published cards
    accelerate launch examples/summarize.py …                                        # several GPUs

Data are files (JSON lines, CSV, Parquet) or Hub datasets (`owner/name:config@split`). A short source is evaluated by
the same command. The table needs a folder that was converted with `--sparsity-type lsh`: others lack the code for it.
Needs `pip install "lsg-convert[examples]"`.
"""

from __future__ import annotations

import argparse
import json
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
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    set_seed,
)

from lsg_convert.sweep.grid import Setting, published_grid
from lsg_convert.sweep.rouge import KINDS, rouge


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = task_parser(__doc__, "file, or Hub dataset", "the model, the summaries and the figures")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--summary-column", default="summary")
    parser.add_argument("--prefix", default="", help="put before every text: 'summarize: ' for T5")
    parser.add_argument("--rows", type=int, help="evaluate on the first so many rows only")
    parser.add_argument("--max-len", type=int, help="tokens of a text (default: what the model can read)")
    parser.add_argument("--grid", action="store_true", help="evaluate the settings of the published tables, one by one")
    group = parser.add_argument_group("summaries")
    group.add_argument("--max-summary", type=int, default=320, help="tokens")
    group.add_argument("--min-summary", type=int, default=32, help="tokens")
    group.add_argument("--beams", type=int, default=5)
    group.add_argument("--length-penalty", type=float, default=2.0)
    add_training_options(parser)
    return parser.parse_args()


def tokenized(rows: Dataset, tokenizer: Any, options: argparse.Namespace) -> Dataset:
    """Texts, and their summaries as labels."""

    def encode(batch: dict[str, list[str]]) -> dict[str, Any]:
        texts = [options.prefix + text for text in batch[options.text_column]]
        encoded = tokenizer(texts, truncation=True, max_length=options.max_len)
        labels = tokenizer(text_target=batch[options.summary_column], truncation=True, max_length=options.max_summary)
        return {**encoded, "labels": labels["input_ids"]}

    return rows.map(encode, batched=True, batch_size=100, remove_columns=rows.column_names, desc="Tokenize")


def summaries(trainer: Seq2SeqTrainer, rows: Dataset, tokenizer: Any, options: argparse.Namespace) -> list[str]:
    """The model's summary of every row."""
    found = trainer.predict(
        rows,
        max_length=options.max_summary,
        min_length=min(options.min_summary, options.max_summary),
        num_beams=options.beams,
        length_penalty=options.length_penalty,
        early_stopping=options.beams > 1,
    ).predictions
    ids = np.where(found < 0, tokenizer.pad_token_id, found)
    return [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]


def make_trainer(
    tokenizer: Any, options: argparse.Namespace, rows: Dataset | None = None, **settings: Any
) -> Seq2SeqTrainer:
    """A trainer of the model with these settings of its attention."""
    model = AutoModelForSeq2SeqLM.from_pretrained(
        options.model, trust_remote_code=True, **settings, **loading_settings(options)
    )
    options.max_len = options.max_len or input_limit(tokenizer, model)
    if rows is not None:
        model = with_adapters(model, options, new_head=False)
    return Seq2SeqTrainer(
        model=model,
        args=training_arguments(options, Seq2SeqTrainingArguments, predict_with_generate=True),
        train_dataset=None if rows is None else tokenized(rows, tokenizer, options),
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model),
        processing_class=tokenizer,
    )


def evaluate(trainer: Seq2SeqTrainer, rows: Dataset, tokenizer: Any, options: argparse.Namespace) -> dict[str, float]:
    """ROUGE; the summaries go into a file."""
    written = summaries(trainer, tokenized(rows, tokenizer, options), tokenizer, options)
    if trainer.is_world_process_zero():
        write_results(options.output, summaries=written)
    return rouge(written, list(rows[options.summary_column]))


def grid(rows: Dataset, tokenizer: Any, options: argparse.Namespace) -> None:
    """Print the published table for this model, line by line; with `--resume` lines that are there stay."""
    path = options.output / "grid.json"
    done = json.loads(path.read_text(encoding="utf-8")) if options.resume and path.is_file() else {}
    print(f"{'setting':20}{'keys':>6}" + "".join(f"{kind:>11}" for kind in KINDS))
    for setting in published_grid():
        trainer = None
        if setting.name not in done:
            try:
                trainer = make_trainer(tokenizer, options, **setting.options)
            except ValueError as error:  # a folder has no code for selections that it did not come with
                print(f"{setting.name:20}  {error}", flush=True)
                continue
            done[setting.name] = measured(trainer, setting, rows, tokenizer, options)
        if trainer is None or trainer.is_world_process_zero():
            write_results(options.output, grid=done)
            found = done[setting.name]
            print(f"{setting.name:20}{found['keys']:6}" + "".join(f"{found[kind]:11.2f}" for kind in KINDS), flush=True)


def measured(
    trainer: Seq2SeqTrainer, setting: Setting, rows: Dataset, tokenizer: Any, options: argparse.Namespace
) -> dict[str, float]:
    """One line of the table."""
    globals_of_model = getattr(trainer.model.config, "num_global_tokens", 0)
    return {"keys": setting.attended_keys(globals_of_model), **evaluate(trainer, rows, tokenizer, options)}


def main() -> None:
    """Train, if there is something to train on; evaluate, if there is something to summarize."""
    options = read_options()
    set_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.model, trust_remote_code=True)
    names = options.text_column, options.summary_column
    rows = columns_of(read_rows(options.train), *names) if options.train else None
    trainer = None
    if rows is not None:
        trainer = make_trainer(tokenizer, options, rows)
        train(trainer, options)
        options.model = str(options.output)
    if not options.eval:
        return
    texts = columns_of(read_rows(options.eval), *names)
    texts = texts.select(range(min(options.rows or len(texts), len(texts))))
    if options.grid:
        grid(texts, tokenizer, options)
        return
    trainer = trainer or make_trainer(tokenizer, options)
    figures = {**evaluate(trainer, texts, tokenizer, options), "texts": len(texts)}
    if trainer.is_world_process_zero():
        write_results(options.output, figures=figures)
        print(f"{options.model}: " + ", ".join(f"{kind} {figures[kind]:.2f}" for kind in KINDS))


if __name__ == "__main__":
    main()
