"""A training as the examples do it, that is killed on request, and goes on with `--resume`.

    python -m tests.training.resumed FOLDER --output DIR --steps N [--kill-at N] [--resume] ...

The loss of every step is appended to DIR/losses.txt.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

import training

LENGTH = 60


class Recorded(transformers.Trainer):
    """Writes the loss of each step down; kills its process before the step `kill_at`."""

    file: Path
    kill_at: int | None = None

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """As the library's."""
        if self.state.global_step == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        loss = super().training_step(*args, **kwargs)
        with self.file.open("a") as file:
            file.write(f"{self.state.global_step} {float(loss)!r}\n")
        return loss


def texts(vocabulary: int) -> list[dict[str, torch.Tensor]]:
    """Long texts, each with a summary."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, vocabulary - 1, (24, LENGTH), generator=generator)
    return [{"input_ids": row, "attention_mask": torch.ones_like(row), "labels": row[:5]} for row in ids]


def main(*arguments: str) -> None:
    """Train."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--kill-at", type=int)
    training.add_training_options(parser)
    options = parser.parse_args(arguments)
    options.output.mkdir(exist_ok=True)
    transformers.set_seed(options.seed)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(options.folder, trust_remote_code=True)
    data = texts(model.config.vocab_size)
    trainer = Recorded(model=model, args=training.training_arguments(options), train_dataset=data)
    trainer.file, trainer.kill_at = options.output / "losses.txt", options.kill_at
    training.train(trainer, options)


if __name__ == "__main__":
    main(*sys.argv[1:])
