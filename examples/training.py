"""What the examples share in training: options, the library's `TrainingArguments`, frozen weights."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, Trainer, TrainingArguments


def add_training_options(parser: argparse.ArgumentParser, epochs: float = 12) -> None:
    """Options of training; their defaults are those that the published LSG models were trained with."""
    group = parser.add_argument_group("training")
    group.add_argument("--epochs", type=float, default=epochs)
    group.add_argument("--steps", type=int, default=-1, help="stop after so many steps, whatever the epochs")
    group.add_argument("--learning-rate", type=float, default=8e-5)
    group.add_argument("--warmup", type=float, default=0.1, help="share of the steps")
    group.add_argument("--batch", type=int, default=32, help="of one step, whatever fits in memory at a time")
    group.add_argument("--batch-in-memory", type=int, default=1)
    group.add_argument("--only", choices=["globals"], help="train the global embeddings and the head alone")
    group.add_argument("--gradient-checkpointing", action="store_true", help="less memory, a third more time")
    group.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    group.add_argument("--save-steps", type=int, default=500)
    group.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --output")
    group.add_argument("--seed", type=int, default=42)


def training_arguments(options: argparse.Namespace, **others: Any) -> TrainingArguments:
    """The library's arguments for the options of `add_training_options`."""
    known = {field.name for field in fields(TrainingArguments)}
    # 5.x gave `warmup_ratio` up: there a number of steps below 1 is a share.
    warmup = "warmup_ratio" if "warmup_ratio" in known else "warmup_steps"
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
        "gradient_checkpointing": options.gradient_checkpointing,
        "bf16": options.bf16,
        "use_cpu": not torch.cuda.is_available(),
        "save_steps": options.save_steps,
        "save_total_limit": 2,
        "logging_steps": 10,
        "report_to": "none",
        "seed": options.seed,
    }
    return TrainingArguments(**arguments, **others)


def freeze_all_but_globals(model: PreTrainedModel) -> None:
    """Keep the source's weights as they are: only the global embeddings and the head, which is new, are trained."""
    for name, weight in model.base_model.named_parameters():
        weight.requires_grad = name.endswith("global_embeddings.weight")


def train(trainer: Trainer, options: argparse.Namespace) -> None:
    """Train, or go on after an interruption, and save the result with its tokenizer."""
    if options.only == "globals":
        freeze_all_but_globals(trainer.model)
    checkpoint = last_checkpoint(Path(options.output)) if options.resume else None
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    trainer.save_model()


def last_checkpoint(output: Path) -> Path | None:
    """The last checkpoint that is whole: what was killed while it wrote one has left one without its state."""
    whole = (path.parent for path in output.glob("checkpoint-*/trainer_state.json"))
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
