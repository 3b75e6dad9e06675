"""Adapt a converted folder to long texts in minutes: train what the source does not have, and nothing else.

    python examples/adapt.py lsg-bert-4096 --text articles.jsonl --eval others.jsonl --output adapted --steps 100
    python examples/adapt.py lsg-all-MiniLM-L6-v2-4096 --text papers.jsonl --retrieval covidqa.json --output adapted

Trained are the position rows beyond the source's and global embeddings beside the one that stands in for the opening
token. All other weights stay the source's, bit by bit, and so do outputs for short texts; both are checked afterwards.
What is learned is what the model's head does: guessing masked tokens; writing down a passage of a text with holes
(models that generate); or, for sentence-transformers models, giving every chunk of a long text the vector that the
source gives it alone. Printed is the loss by length, or retrieval, before and after. Needs
`pip install "lsg-convert[examples]"`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from adapting import Denoising, MaskedTokens, Objective
from adapting_chunks import Chunks
from datasets import Dataset
from retrieval import read_squad_task, retrieval, task_of
from training import (
    add_training_options,
    columns_of,
    divide_losses,
    full_precision,
    read_rows,
    training_arguments,
    write_results,
)
from transformers import Trainer, set_seed

from lsg_convert.folder.record import Record
from lsg_convert.folder.saved_record import read_converted


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="converted folder")
    parser.add_argument("--text", required=True, help="long texts: file (a .txt file is one text), or Hub dataset")
    parser.add_argument("--eval", help="other texts, to measure on (default: those of --text)")
    parser.add_argument("--retrieval", help="pairs of question and document to measure an embedding model on")
    parser.add_argument("--output", type=Path, required=True, help="folder for the model and the figures")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--question-column", default="question")
    parser.add_argument("--by-sentence", action="store_true", help="every sentence of a question is one of its own")
    parser.add_argument("--documents", type=int, help="measure retrieval on so many documents")
    parser.add_argument("--max-len", type=int, help="tokens to adapt to (default: what the folder reads)")
    parser.add_argument("--eval-texts", type=int, default=8, help="texts to measure a loss on")
    parser.add_argument("--chunk-tokens", type=int, default=254, help="tokens of a chunk, without special ones")
    parser.add_argument("--sides", default="document,late chunks", help="what to measure of retrieval")
    add_training_options(parser, epochs=1, lora=False)
    parser.set_defaults(batch=4, learning_rate=1e-3)
    return parser.parse_args()


def train_new_rows(model: torch.nn.Module, record: Record) -> dict[str, int]:
    """Freeze all but the new rows of the tables; return the first row of each that is trained."""
    family, parameters = record.converted_family, dict(model.named_parameters())
    first_rows: dict[str, int] = {}
    for weight in parameters.values():
        weight.requires_grad = False
    config = family.encoder_config(model.config.to_dict())
    for table in family.positions if record.max_len > record.source_max_len else ():
        name = next((name for name in parameters if name.endswith(table.tensor)), None)
        if name is not None and table.sinusoid is None and not table.tensor.startswith("decoder."):
            first_rows[name] = table.offset(config) + record.source_max_len
    # Global 0 stands in for the opening token: short texts are the source's because it has that token's values.
    stands_in, count = int(record.lsg.mask_first_token), record.lsg.num_global_tokens
    first_rows |= {
        name: stands_in for name in parameters if name.endswith("global_embeddings.weight") and count > stands_in
    }
    for name, first in first_rows.items():
        weight = parameters[name]
        weight.requires_grad = True
        kept = (torch.arange(len(weight)) >= first).to(weight)[:, None]
        weight.register_hook(lambda gradient, kept=kept: gradient * kept.to(gradient))
    if not first_rows:
        raise SystemExit("There is nothing to train: no position rows beyond the source's, and no other global tokens.")
    return first_rows


def check_kept(before: dict[str, torch.Tensor], model: torch.nn.Module, first_rows: dict[str, int]) -> str:
    """Compare bit by bit; ends the program where a weight of the source has changed."""
    after = model.state_dict()
    for name, tensor in before.items():
        first = first_rows.get(name, len(tensor) if tensor.dim() else 1)
        same = tensor[:first].equal(after[name][:first].cpu()) if tensor.dim() else tensor.equal(after[name].cpu())
        if not same:
            raise SystemExit(f"{name} has changed, which must not be: nothing was saved.")
    rows = ", ".join(f"{name} from row {first} on" for name, first in first_rows.items())
    return f"Weights of the source: equal, bit by bit. Trained: {rows}."


class ObjectiveTrainer(Trainer):
    """The library's, with the objective's loss."""

    objective: Objective

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        """The loss, and with `return_outputs` what it was made of."""
        return self.objective.loss(model, inputs, return_outputs)


def make_objective(options: argparse.Namespace, record: Record) -> Objective:
    """What this kind of model learns."""
    if (options.model / "modules.json").is_file():
        return Chunks(options)
    kinds: dict[str, type[Objective]] = {"AutoModelForMaskedLM": MaskedTokens, "AutoModelForSeq2SeqLM": Denoising}
    if record.auto_class not in kinds:
        raise SystemExit(f"{record.auto_class}: adapt a language model, or a sentence-transformers model.")
    return kinds[record.auto_class](options)


def read_texts(name: str, column: str) -> list[str]:
    """Texts of a file or a Hub dataset."""
    if Path(name).suffix == ".txt":
        return [Path(name).read_text(encoding="utf-8")]
    return list(columns_of(read_rows(name), column)[column])


def measure(objective: Objective, texts: list[str], options: argparse.Namespace) -> dict[str, float]:
    """The loss by length; of embedding models retrieval, where there are questions."""
    figures = objective.by_length(texts[: options.eval_texts])
    if options.retrieval and isinstance(objective, Chunks):
        path = Path(options.retrieval)
        if path.suffix == ".json":
            task = read_squad_task(path, options.documents)
        else:
            rows = columns_of(read_rows(options.retrieval), options.question_column, options.text_column)
            rows = rows.select(range(min(options.documents or len(rows), len(rows))))
            pairs = zip(rows[options.question_column], rows[options.text_column], strict=True)
            task = task_of(pairs, options.by_sentence)
        objective.model.eval()
        figures |= retrieval(objective.sentences, task, options.chunk_tokens, options.sides.split(","))
    return figures


def main() -> None:
    """Measure, train, check, measure again, save."""
    options = read_options()
    set_seed(options.seed)
    record = read_converted(options.model)
    options.max_len = min(options.max_len or record.max_len, record.max_len)
    options.source_len = record.source_max_len
    objective = make_objective(options, record)
    first_rows = train_new_rows(objective.model, record)
    texts = read_texts(options.text, options.text_column)
    others = read_texts(options.eval, options.text_column) if options.eval else texts
    before = measure(objective, others, options)
    print("before: " + ", ".join(f"{name} {value:.3f}" for name, value in before.items()), flush=True)
    short = objective.short_states()
    kept = {name: tensor.detach().cpu().clone() for name, tensor in objective.model.state_dict().items()}
    trainer = ObjectiveTrainer(
        model=objective.model,
        args=training_arguments(options, remove_unused_columns=False, weight_decay=0.0),
        train_dataset=Dataset.from_list(objective.rows(texts)),
        data_collator=objective.collate,
    )
    trainer.objective = objective
    divide_losses(trainer)
    trainer.train(resume_from_checkpoint=options.resume and any(options.output.glob("checkpoint-*")))
    full_precision(trainer)
    print(check_kept(kept, objective.model, first_rows))
    difference = float((objective.short_states() - short).abs().max())
    print(f"Short texts: largest difference to before {difference:.1e}.")
    after = measure(objective, others, options)
    if trainer.is_world_process_zero():
        objective.save(options.output)
        write_results(options.output, figures={"before": before, "after": after, "short_texts": difference})
        print("after:  " + ", ".join(f"{name} {value:.3f}" for name, value in after.items()))
        print(f"Prove it: lsg-convert verify {options.output} --source SOURCE")


if __name__ == "__main__":
    main()
