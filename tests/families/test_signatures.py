"""Trainers look at the signature of `forward`: it names what the library's does, labels above all."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
import transformers
from transformers.utils import find_labels

from lsg_convert import convert
from lsg_convert.families import FAMILIES, PAIRS, Family


@pytest.mark.parametrize("family", [*FAMILIES.values(), *PAIRS.values()], ids=lambda family: family.model_type)
def test_shows_what_the_library_shows(family: Family) -> None:
    module = importlib.import_module(f"lsg_convert.modeling.{family.modeling_file}")
    assert family.heads
    for architecture in family.heads:
        library, ours = getattr(transformers, architecture), getattr(module, family.lsg_class(architecture))
        wanted, shown = (set(inspect.signature(cls.forward).parameters) for cls in (library, ours))
        missing = wanted - shown - {"args", "kwargs"}
        labels = {"labels", "start_positions", "end_positions"}
        assert not missing or ("kwargs" in shown and not missing & labels), missing
        assert find_labels(ours) == find_labels(library), architecture


def test_the_librarys_trainer_keeps_labels_and_marks(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    result = convert(
        checkpoint("t5"), output=tmp_path / "out", verify=False, max_len=256, block_size=16, sparse_block_size=16
    )
    model, _ = result.load()
    marks = [1] * 3 + [0] * 77
    row = {"input_ids": list(range(5, 85)), "labels": [7, 8, 9], "global_attention_mask": marks}
    arguments = transformers.TrainingArguments(
        str(tmp_path / "run"),
        max_steps=2,
        per_device_train_batch_size=2,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
    )
    seen: list[set[str]] = []
    model.register_forward_pre_hook(lambda _, args, kwargs: seen.append(set(kwargs)), with_kwargs=True)
    loss = transformers.Trainer(model=model, args=arguments, train_dataset=[row] * 4).train().training_loss
    assert loss > 0 and len(seen) == 2
    assert all({"labels", "global_attention_mask"} <= given for given in seen)
