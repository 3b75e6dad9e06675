"""Embeddings of long documents: fine-tune with sentence-transformers, and measure retrieval.

    python examples/embed.py lsg-all-MiniLM-L6-v2-4096 --eval covidqa.json --output figures        # evaluation only
    python examples/embed.py lsg-all-MiniLM-L6-v2-4096 --train pairs.jsonl --eval dev.jsonl --output trained
    accelerate launch examples/embed.py …                                                          # several GPUs

Data are pairs of a question and the document that answers it: a SQuAD file, a file (JSON lines, CSV, Parquet) or a Hub
dataset (`owner/name:config@split`). Measured is how often a question's own document comes first (acc@1): with one
vector a document, and with its chunks, embedded alone or late: read in one pass, and pooled afterwards. A short source
is evaluated by the same command. Needs `pip install "lsg-convert[examples]"`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from datasets import Dataset
from retrieval import SIDES, Task, read_squad_task, retrieval, task_of
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.losses import CachedMultipleNegativesRankingLoss
from sentence_transformers.training_args import BatchSamplers
from training import (
    add_training_options,
    columns_of,
    dropout_settings,
    read_rows,
    task_parser,
    train,
    training_arguments,
    write_results,
)
from transformers import set_seed

POSITIONS = "max_position_embeddings"


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = task_parser(__doc__, "file, or Hub dataset", "the model and the figures")
    parser.add_argument("--question-column", default="question")
    parser.add_argument("--document-column", default="text")
    parser.add_argument("--by-sentence", action="store_true", help="every sentence of a question is one of its own")
    parser.add_argument("--documents", type=int, help="evaluate on so many documents, of a SQuAD file the most asked")
    parser.add_argument("--max-len", type=int, help="tokens of a document (default: what the model is set to)")
    parser.add_argument("--chunk-tokens", type=int, default=254, help="tokens of a chunk, without special ones")
    parser.add_argument("--sides", default=",".join(SIDES), help="what to measure (default: %(default)s)")
    add_training_options(parser, epochs=1, lora=False)
    return parser.parse_args()


def read_task(name: str, options: argparse.Namespace, documents: int | None = None) -> Task:
    """Questions and documents."""
    path = Path(name)
    if path.suffix == ".json" and path.is_file():
        return read_squad_task(path, documents)
    rows = columns_of(read_rows(name), options.question_column, options.document_column)
    rows = rows.select(range(min(documents or len(rows), len(rows))))
    return task_of(zip(rows[options.question_column], rows[options.document_column], strict=True), options.by_sentence)


def fine_tune(model: SentenceTransformer, task: Task, options: argparse.Namespace) -> None:
    """Draw every question to its own document, away from the others of its batch, of which a part is in memory."""
    pairs = {"anchor": task.questions, "positive": [task.documents[number] for number in task.answers]}
    arguments = training_arguments(
        options,
        SentenceTransformerTrainingArguments,
        per_device_train_batch_size=options.batch,
        gradient_accumulation_steps=1,
        batch_sampler=BatchSamplers.NO_DUPLICATES,
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict(pairs),
        loss=CachedMultipleNegativesRankingLoss(model, mini_batch_size=options.batch_in_memory),
    )
    train(trainer, options)


def main() -> None:
    """Train, if there is something to train on; measure, if there are questions."""
    options = read_options()
    set_seed(options.seed)
    sides = options.sides.split(",")
    if not set(sides) <= set(SIDES):
        raise SystemExit(f"--sides {options.sides}: there are {', '.join(SIDES)}.")
    model = SentenceTransformer(options.model, trust_remote_code=True, config_kwargs=dropout_settings(options))
    if options.max_len:  # many models are set to less than they have positions for
        model.max_seq_length = min(options.max_len, getattr(model[0].auto_model.config, POSITIONS, options.max_len))
    if options.train:
        fine_tune(model, read_task(options.train, options), options)
    if options.eval:
        task = read_task(options.eval, options, options.documents)
        figures = retrieval(model, task, options.chunk_tokens, sides, options.batch_in_memory)
        counts = {"questions": len(task.questions), "documents": len(task.documents)}
        write_results(options.output, figures={**figures, **counts})
        print(f"{options.model}, up to {model.max_seq_length} tokens, {counts['questions']} questions, ", end="")
        print(f"{counts['documents']} documents; acc@1: " + ", ".join(f"{side} {figures[side]:.1f}" for side in sides))


if __name__ == "__main__":
    main()
