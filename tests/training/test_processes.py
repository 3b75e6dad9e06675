"""Two processes learn what one learns: the data parallel, and the weights sharded (FSDP2)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import distributed

from lsg_convert import convert
from tests.training import worker

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folders(checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Converted folders by family."""
    place = tmp_path_factory.mktemp("folders")
    for family in ("bert", "bart", "t5"):
        convert(
            checkpoint(family), output=place / family, verify=False, max_len=128, block_size=16, sparse_block_size=16
        )
    return {family: str(place / family) for family in ("bert", "bart", "t5")}


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(folders: dict[str, str], tmp_path: Path) -> None:
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    settings = ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command = [sys.executable, *launch, *settings, "--module", "tests.training.worker"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    output = tmp_path / "losses.json"
    done = subprocess.run(
        [*command, str(output), *folders.values()], capture_output=True, text=True, env=environment, timeout=600
    )
    assert done.returncode == 0, done.stderr[-5000:]
    found = json.loads(output.read_text())
    assert found["processes"] == 2
    for folder in folders.values():
        alone = worker.by_trainer(folder, tmp_path), worker.by_hand(folder, sharded=False)
        for kind, expected in {"parallel": alone[0], "sharded": alone[1], "checkpointed": alone[1]}.items():
            assert found[kind][folder] == pytest.approx(expected, abs=1e-5), f"{kind}: {folder}"
            assert len(expected) == worker.STEPS and expected[-1] < expected[0]


@pytest.mark.parametrize("family", ["bert", "bart", "t5"])
def test_steps_in_parts_are_averaged(folders: dict[str, str], family: str, tmp_path: Path) -> None:
    """Accumulated over four parts, the loss is that of the whole step."""
    whole = worker.by_trainer(folders[family], tmp_path)
    assert worker.by_trainer(folders[family], tmp_path, accumulated=4) == pytest.approx(whole, abs=1e-5)


def test_reentrant_checkpoints_of_sharded_t5_are_refused(folders: dict[str, str]) -> None:
    """Its bias by distance would be trained by one layer, and nobody would notice."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        model = worker.shard(worker.load(folders["t5"]).train())
        inputs = {name: value[None] for name, value in worker.texts(model)[0].items()}
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": True})
        with pytest.raises(RuntimeError, match="'use_reentrant': False"):
            model(**inputs).loss.backward()
    finally:
        distributed.destroy_process_group()
