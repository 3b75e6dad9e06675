"""A training of ten steps by `Trainer`, and one with weights that FSDP2 has sharded; on one process or on several.

    accelerate launch --multi_gpu --num_processes 2 --module tests.training.worker OUTPUT FOLDER...

(With `--cpu` there would be one process, whatever the number.) OUTPUT gets the losses of each, by folder, as JSON.
Of each step, all processes together read the same four texts.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import distributed
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

STEPS, BATCH, LENGTH, LABELS = 10, 4, 70, 5
# Some gradients are nothing but rounding, those of the keys' biases: with a smaller epsilon AdamW would follow them.
RATE, EPSILON = 1e-3, 1e-6


def load(folder: str) -> Any:
    """The model, without dropout, which would differ from process to process."""
    config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=True)
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "dropout_rate"):
        if hasattr(config, name):
            setattr(config, name, 0.0)
    name = "AutoModelForSeq2SeqLM" if config.is_encoder_decoder else "AutoModelForMaskedLM"
    return getattr(transformers, name).from_pretrained(folder, config=config, trust_remote_code=True)


def texts(model: Any) -> list[dict[str, torch.Tensor]]:
    """As many as are read: above the dense limit, some padded; each has as many labels as any other."""
    generator = torch.Generator().manual_seed(0)
    rows = []
    for number in range(STEPS * BATCH):
        ids = torch.randint(5, 15, (LENGTH,), generator=generator)  # few words: that much is soon learned
        mask = torch.ones_like(ids)
        mask[LENGTH - number % 4 * 8 :] = 0
        labels = ids[:LABELS].clone()
        if not model.config.is_encoder_decoder:
            labels = torch.full_like(ids, -100)
            labels[1 : LABELS + 1] = ids[1 : LABELS + 1]
        rows.append({"input_ids": ids, "attention_mask": mask, "labels": labels})
    return rows


class Recorded(transformers.Trainer):
    """Keeps the loss of every step, over all processes and all that is accumulated."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.losses: list[float] = []

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """As the library's."""
        loss = super().training_step(*args, **kwargs)
        self.losses.append(float(self.accelerator.reduce(loss, reduction="mean")))
        return loss


def by_trainer(folder: str, place: Path, accumulated: int = 1, **options: Any) -> list[float]:
    """The losses of `Trainer`, ten steps."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    arguments = transformers.TrainingArguments(
        output_dir=str(place),
        max_steps=STEPS,
        per_device_train_batch_size=BATCH // processes // accumulated,
        gradient_accumulation_steps=accumulated,
        learning_rate=RATE,
        adam_epsilon=EPSILON,
        lr_scheduler_type="constant",
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **options,
    )
    model = load(folder)
    trainer = Recorded(model=model, args=arguments, train_dataset=texts(model))
    trainer.train()
    found = torch.tensor(trainer.losses).view(-1, accumulated)
    return found.sum(1).tolist()


def shard(model: Any) -> Any:
    """The model, its weights sharded layer by layer; words are shared with the head, which FSDP2 wants in one group."""
    layers = {name for name in model._no_split_modules if not name.endswith("Embeddings")}
    for module in model.modules():
        if type(module).__name__ in layers:
            fully_shard(module)
    fully_shard(model)
    assert all(isinstance(weight, DTensor) for weight in model.parameters())
    return model


def by_hand(folder: str, sharded: bool, checkpointed: bool = False) -> list[float]:
    """The losses of a loop: of one process, or of all with weights that are sharded layer by layer."""
    model = load(folder).train()
    if checkpointed:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    rank, processes = (distributed.get_rank(), distributed.get_world_size()) if sharded else (0, 1)
    if sharded:
        shard(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, eps=EPSILON)
    rows, losses = texts(model), []
    for step in range(STEPS):
        own = rows[step * BATCH : (step + 1) * BATCH][rank::processes]
        loss = model(**{name: torch.stack([row[name] for row in own]) for name in own[0]}).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        whole = loss.detach() / processes
        if sharded:
            distributed.all_reduce(whole)
        losses.append(float(whole))
    return losses


def main() -> None:
    """Train, and write what was found."""
    output, *folders = sys.argv[1:]
    place = Path(output)
    parallel = {folder: by_trainer(folder, place.parent / "trainer") for folder in folders}
    sharded = {folder: by_hand(folder, sharded=True) for folder in folders}
    checkpointed = {folder: by_hand(folder, sharded=True, checkpointed=True) for folder in folders}
    found = {"parallel": parallel, "sharded": sharded, "checkpointed": checkpointed}
    if distributed.get_rank() == 0:
        place.write_text(json.dumps({"processes": distributed.get_world_size(), **found}))
    distributed.barrier()  # neither leaves while the other still listens
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
