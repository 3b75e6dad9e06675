"""A training that was killed goes on as if nothing had happened: dropout, order of texts and optimizer included."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lsg_convert import convert
from tests.training import resumed

ROOT = Path(__file__).resolve().parents[2]


def losses(place: Path) -> dict[int, list[float]]:
    """By step, of its parts; of a step that was done again, the later ones."""
    found: dict[int, list[float]] = {}
    for line in (place / "losses.txt").read_text().splitlines():
        step, loss = line.split()
        found.setdefault(int(step), []).append(float(loss))
    return {step: values[-2:] for step, values in found.items()}


@pytest.mark.slow
def test_killed_and_resumed_it_learns_the_same(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    convert(checkpoint("bart"), output=folder, verify=False, max_len=128, block_size=16, sparse_block_size=16)
    options = [
        "--steps",
        "10",
        "--save-steps",
        "3",
        "--batch",
        "4",
        "--batch-in-memory",
        "2",
        "--learning-rate",
        "1e-3",
    ]
    resumed.main(str(folder), "--output", str(tmp_path / "whole"), *options)
    expected = losses(tmp_path / "whole")
    assert len(expected) == 10 and all(len(values) == 2 for values in expected.values())
    place = tmp_path / "killed"
    command = [sys.executable, "-m", "tests.training.resumed", str(folder), "--output", str(place), *options]
    killed = subprocess.run([*command, "--kill-at", "8"], cwd=ROOT, capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr[-2000:]
    assert sorted(path.name for path in place.glob("checkpoint-*")) == ["checkpoint-3", "checkpoint-6"]
    (place / "checkpoint-8").mkdir()  # as a process leaves it that is killed while it writes one
    (place / "checkpoint-8" / "model.safetensors").write_bytes(b"half")
    again = subprocess.run([*command, "--resume"], cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr[-2000:]
    steps = [int(line.split()[0]) for line in (place / "losses.txt").read_text().splitlines()]
    assert steps == [step for step in (*range(8), *range(6, 10)) for _ in range(2)]
    assert losses(place) == {step: pytest.approx(values, abs=1e-6) for step, values in expected.items()}
