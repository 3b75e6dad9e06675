"""What a run is expected to take, held to what it takes: disk within some percent, memory as a bound."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lsg_convert.common.estimate import Estimate, about
from lsg_convert.conversion import inspect
from tests.command import COMMAND, lsg_convert, python

_START = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], check=False).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def _measured(arguments: Sequence[object], cwd: Path) -> tuple[dict[str, Any], int]:
    """The result of a run, and its highest memory.

    It is started by a small process: what a large one starts is as large as that until it is another program.
    """
    done = python(_START, COMMAND, *arguments, cwd=cwd)
    assert done.code == 0, done.output
    return json.loads(done.stdout), int(done.stderr.splitlines()[-1]) * 1024


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="session")
def trained_like(checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 22 million parameters, small ones as training leaves them."""
    import torch
    from transformers import AutoConfig, BertForMaskedLM

    sizes = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 3, "num_attention_heads": 12}
    folder = checkpoint("bert", "BertForMaskedLM", max_positions=512, **sizes)
    config = AutoConfig.from_pretrained(folder)
    config.initializer_range = 0.02
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertForMaskedLM(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("options", [("--no-verify",), (), ("--dtype", "bf16")], ids=" ".join)
def test_a_small_conversion(options: tuple[str, ...], checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    _check(checkpoint("bart", "BartForConditionalGeneration"), options, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--no-verify",), (), ("--dtype", "bf16")], ids=" ".join)
def test_a_conversion(options: tuple[str, ...], trained_like: Path, tmp_path: Path) -> None:
    _check(trained_like, options, tmp_path)


def _check(source: Path, options: tuple[str, ...], place: Path) -> None:
    result, memory = _measured([source, *options, "--output", "out", "--json"], place)
    estimate = result["estimate"]
    assert estimate["disk"] == pytest.approx(_size(place / "out"), rel=0.03)
    assert memory <= estimate["memory"] <= 2.5 * memory
    assert result["timing"].keys() == {"read", "written", *([] if "--no-verify" in options else ["checked"])}


@pytest.mark.slow
def test_a_verification(trained_like: Path, tmp_path: Path) -> None:
    assert lsg_convert(trained_like, "--no-verify", "--max-len", 1024, "-o", "out", cwd=tmp_path).code == 0
    _check_told(tmp_path, "verify", "out", "--level", "kernel")


@pytest.mark.slow
def test_a_benchmark(trained_like: Path, tmp_path: Path) -> None:
    assert lsg_convert(trained_like, "--no-verify", "--max-len", 1024, "-o", "out", cwd=tmp_path).code == 0
    _check_told(tmp_path, "bench", "out", "--lengths", "512", "--rounds", "1", "--train")


def _check_told(place: Path, *arguments: str) -> None:
    """A run takes no more memory than it says before its work."""
    done = python(_START, COMMAND, *arguments, cwd=place)
    assert done.code == 0, done.output
    found = re.search(r"^This will take up to ([\d.]+) (MB|GB) of memory, about ", done.stderr, re.MULTILINE)
    assert found is not None, done.stderr
    told = float(found[1]) * {"MB": 1e6, "GB": 1e9}[found[2]] * 1.01  # it is rounded
    assert int(done.stderr.splitlines()[-1]) * 1024 <= told


def test_it_is_told_before_the_work_and_in_inspect(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    source = checkpoint("bert", "BertModel")
    done = lsg_convert(source, "--max-len", 128, cwd=tmp_path)
    assert re.match(r"This will take [\d.]+ kB on the disk, up to \d+ MB of memory, about \d+ s\.\n", done.stderr)
    assert "Will take   " in lsg_convert("inspect", source, cwd=tmp_path).stdout
    quick = lsg_convert(source, "--max-len", 128, "--no-verify", "--force", cwd=tmp_path)
    assert quick.code == 0 and "This will take" not in quick.stderr  # no more than a few seconds


def test_it_grows_with_what_is_asked_for(checkpoint: Callable[..., Path]) -> None:
    source = checkpoint("bert", "BertModel")
    short, long = (inspect(source, max_len=length).estimate for length in (128, 65536))
    assert short is not None and long is not None
    assert short.disk < long.disk and short.memory < long.memory and short.seconds < long.seconds
    # What is read to check a conversion is as long as attention is full.
    few, many = (inspect(source, max_len=256, block_size=n, sparse_block_size=n).estimate for n in (16, 32))
    assert few is not None and many is not None
    assert few.disk == many.disk and few.seconds < many.seconds


@pytest.mark.parametrize(
    ("seconds", "said"), [(1, "about 1 s"), (12, "about 10 s"), (58, "about 60 s"), (200, "about 3 min")]
)
def test_it_claims_no_more_than_is_known(seconds: float, said: str) -> None:
    assert about(seconds) == said
    assert Estimate(0, 10**9, seconds).sentence == f"up to 1.0 GB of memory, {said}"
