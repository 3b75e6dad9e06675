"""What the examples share: options, rows of files, the library's `TrainingArguments`, which weights are trained."""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
import transformers
from datasets import Dataset, load_dataset
from packaging.version import Version
from transformers import AutoConfig, PreTrainedModel, Trainer, TrainingArguments

FILE_KINDS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}


def task_parser(description: str | None, train: str, output: str) -> argparse.ArgumentParser:
    """A parser with what every task's script takes. train: what is given to train and to evaluate on; output: what."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder or Hub id")
    parser.add_argument("--train", help=train)
    parser.add_argument("--eval", help=train)
    parser.add_argument("--output", type=Path, required=True, help=f"folder for {output}")
    return parser


def add_training_options(parser: argparse.ArgumentParser, epochs: float = 12, lora: bool = True) -> None:
    """Options of training; their defaults are those that the published LSG models were trained with."""
    group = parser.add_argument_group("training")
    group.add_argument("--epochs", type=float, default=epochs)
    group.add_argument("--steps", type=int, default=-1, help="stop after so many steps, whatever the epochs")
    group.add_argument("--learning-rate", type=float, default=8e-5)
    group.add_argument("--warmup", type=float, default=0.1, help="share of the steps")
    group.add_argument("--batch", type=int, default=32, help="of one step, whatever fits in memory at a time")
    group.add_argument("--batch-in-memory", type=int, default=1)
    group.add_argument("--only", choices=["globals"], help="train the global embeddings and the head alone")
    if lora:
        group.add_argument("--lora", type=int, metavar="RANK", help="train low-rank adapters and the head; needs peft")
    group.add_argument("--no-dropout", action="store_true", help="less time, on CPUs above all")
    group.add_argument("--gradient-checkpointing", action="store_true", help="less memory, a third more time")
    group.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    group.add_argument("--save-steps", type=int, default=500)
    group.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --output")
    group.add_argument("--seed", type=int, default=42)


def training_arguments(
    options: argparse.Namespace, kind: type[TrainingArguments] = TrainingArguments, **others: Any
) -> TrainingArguments:
    """The library's arguments, a `kind` of them, for the options of `add_training_options`."""
    known = {field.name for field in fields(kind)}
    # 5.x gave `warmup_ratio` up: there a number of steps below 1 is a share.
    warmup = "warmup_ratio" if "warmup_ratio" in known else "warmup_steps"
    saving = "activation_checkpointing" if "activation_checkpointing" in known else "gradient_checkpointing"
    arguments = {
        "output_dir": str(options.output),
        "num_train_epochs": options.epochs,
        "max_steps": options.steps,
        "learning_rate": options.learning_rate,
        warmup: options.warmup,
        "lr_scheduler_type": "linear",
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
        "adam_epsilon": 1e-8,
        "per_device_train_batch_size": options.batch_in_memory,
        "per_device_eval_batch_size": options.batch_in_memory,
        "gradient_accumulation_steps": max(1, options.batch // options.batch_in_memory),
        saving: options.gradient_checkpointing,
        "bf16": options.bf16,
        "use_cpu": not torch.cuda.is_available(),
        "save_steps": options.save_steps,
        "save_total_limit": 2,
        "logging_steps": 10,
        "report_to": "none",
        "seed": options.seed,
    }
    return kind(**arguments | others)


def read_rows(name: str) -> Dataset:
    """The rows of a file (JSON lines, CSV, Parquet), or of a Hub dataset: `owner/name`, `owner/name:config@split`."""
    path = Path(name)
    if path.is_file():
        if path.suffix not in FILE_KINDS:
            raise SystemExit(f"{name}: the name must end in {', '.join(FILE_KINDS)}.")
        return load_dataset(FILE_KINDS[path.suffix], data_files=str(path), split="train")
    dataset, _, split = name.partition("@")
    dataset, _, config = dataset.partition(":")
    return load_dataset(dataset, config or None, split=split or "train")


def columns_of(rows: Dataset, *names: str) -> Dataset:
    """The rows with these columns only."""
    missing = [name for name in names if name not in rows.column_names]
    if missing:
        raise SystemExit(f"There is no column {', '.join(missing)}; there are: {', '.join(rows.column_names)}.")
    return rows.select_columns(list(names))


def input_limit(tokenizer: Any, model: PreTrainedModel) -> int:
    """How many tokens the model reads."""
    return min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", tokenizer.model_max_length))


def dropout_settings(options: argparse.Namespace) -> dict[str, float]:
    """The shares of dropout in the model's configuration, as 0 where `--no-dropout` is given."""
    if not options.no_dropout:
        return {}
    config = AutoConfig.from_pretrained(options.model, trust_remote_code=True).to_dict()
    return {name: 0.0 for name, value in config.items() if "dropout" in name and isinstance(value, float)}


def loading_settings(options: argparse.Namespace) -> dict[str, Any]:
    """What `from_pretrained` takes: weights to train are float32, whatever type they were saved in."""
    name = "dtype" if Version(transformers.__version__) >= Version("4.56") else "torch_dtype"
    return {name: torch.float32, **dropout_settings(options)}


def freeze_all_but_globals(model: torch.nn.Module) -> None:
    """Keep the source's weights as they are: only the global embeddings and the head, which is new, are trained."""
    for name, weight in getattr(model, "base_model", model).named_parameters():
        weight.requires_grad = name.endswith("global_embeddings.weight")


def with_adapters(model: PreTrainedModel, options: argparse.Namespace, new_head: bool = True) -> Any:
    """The model as `--lora` wants it trained: adapters at every linear map, the rest frozen but a `new_head`."""
    if not options.lora:
        return model
    from peft import LoraConfig, get_peft_model

    parts = {name: list(part.parameters()) for name, part in model.named_children()}
    head = [name for name, weights in parts.items() if weights and name != model.base_model_prefix]
    adapters = LoraConfig(
        r=options.lora,
        lora_alpha=2 * options.lora,
        target_modules="all-linear",
        exclude_modules=head or None,
        modules_to_save=head if new_head else None,
    )
    return get_peft_model(model, adapters)


def train(trainer: Trainer, options: argparse.Namespace) -> None:
    """Train, or go on after an interruption, and save the result with its tokenizer; adapters are merged into it."""
    if options.only == "globals":
        freeze_all_but_globals(trainer.model)
    divide_losses(trainer)
    checkpoint = last_checkpoint(Path(options.output)) if options.resume else None
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    full_precision(trainer)
    if getattr(options, "lora", None):
        trainer.model = trainer.model_wrapped = trainer.accelerator.unwrap_model(trainer.model).merge_and_unload()
    trainer.save_model()


def last_checkpoint(output: Path) -> Path | None:
    """The last checkpoint that is whole: what was killed while it wrote one has left one without its state."""
    whole = (path.parent for path in output.glob("checkpoint-*/trainer_state.json"))
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def divide_losses(trainer: Trainer) -> None:
    """Make the loss of a batch the mean over what is in memory at a time.

    The library takes a model whose `forward` has `**kwargs` for one that divides its loss itself. Most do not: their
    gradients would be as many times larger as there are parts, and be clipped.
    """
    trainer.model_accepts_loss_kwargs = False


def full_precision(trainer: Trainer) -> None:
    """Take back the autocast of `--bf16`: what is measured after the training is the model that is saved."""
    trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)


def write_results(folder: Path, **files: Any) -> None:
    """Write each value as JSON into a file of its name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
