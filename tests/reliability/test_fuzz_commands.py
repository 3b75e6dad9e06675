"""Damaged foreign files through the commands: 2,000 cases in every run, LSG_FUZZ_CASES=10000 (`make fuzz`) for more.

None may end with a traceback, exit code 70 or a signal, hang, run foreign code, read what lies beside the folder, or
change a byte of what is there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import fresh_environment
from tests.reliability.table import FUZZED

CASES = int(os.environ.get("LSG_FUZZ_CASES", "2000"))
HEAVY = CASES // 20  # a process with torch takes several times as long
# Kind, first case, number of cases: a share for each of two workers of the suite.
SHARES = [
    ("heavy", 0, HEAVY // 2),
    ("heavy", HEAVY // 2, HEAVY - HEAVY // 2),
    ("light", 0, (CASES - HEAVY) // 2),
    ("light", (CASES - HEAVY) // 2, CASES - HEAVY - (CASES - HEAVY) // 2),
]


@pytest.fixture(scope="session")
def bases(checkpoint: Callable[..., Path], _converted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound folders, one of each kind."""
    import torch
    from safetensors.torch import load_file, save_file

    place = tmp_path_factory.mktemp("bases")
    plain = Path(shutil.copytree(checkpoint("bert"), place / "plain"))
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (plain / "modules.json").write_text(json.dumps(modules))
    (plain / "1_Pooling").mkdir()
    (plain / "1_Pooling" / "config.json").write_text(
        '{"word_embedding_dimension": 32, "pooling_mode_mean_tokens": true}'
    )
    (plain / "generation_config.json").write_text('{"max_length": 20, "num_beams": 2}')
    (plain / "special_tokens_map.json").write_text('{"mask_token": "[MASK]", "pad_token": "[PAD]"}')
    (plain / "README.md").write_text("---\nlicense: mit\nlanguage: [en]\ntags: [a]\n---\n# A model\n")
    pair = Path(shutil.copytree(checkpoint("bart"), place / "pair"))
    (pair / "generation_config.json").write_text('{"max_length": 20, "num_beams": 2}')
    tensors = load_file(plain / "model.safetensors")
    sharded = Path(shutil.copytree(checkpoint("bert"), place / "sharded"))
    (sharded / "model.safetensors").unlink()
    shards = [f"model-{number:05d}-of-00002.safetensors" for number in (1, 2)]
    halves = (sorted(tensors)[::2], sorted(tensors)[1::2])
    for shard, names in zip(shards, halves, strict=True):
        save_file({name: tensors[name] for name in names}, sharded / shard)
    listed = {name: shard for shard, names in zip(shards, halves, strict=True) for name in names}
    (sharded / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": listed}))
    pickled = Path(shutil.copytree(checkpoint("bert"), place / "bin"))
    (pickled / "model.safetensors").unlink()
    torch.save(tensors, pickled / "pytorch_model.bin")
    saved = shutil.copytree(shutil.copytree(_converted, place / "converted"), place / "saved")
    (saved / "lsg_conversion.json").unlink()
    (saved / "README.md").unlink()
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    return place


@pytest.mark.parametrize(("kind", "first", "count"), SHARES)
def test_damaged_files_through_the_commands(kind: str, first: int, count: int, bases: Path, tmp_path: Path) -> None:
    FUZZED["runs of a command"] += count
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.fuzz_worker", kind, bases, tmp_path, str(first), str(count)],
        cwd=Path(__file__).parents[2],
        env=fresh_environment(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", HF_HOME=str(tmp_path / "cache")),
        capture_output=True,
        text=True,
        timeout=120 + count * (10 if kind == "heavy" else 1),
        check=False,
        stdin=subprocess.DEVNULL,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    counts = lines[-1].get("counts", {}) if lines else {}
    assert counts.get("cases") == count, done.stderr[-3000:]
    if count >= 100:  # the damage is neither so slight that all is well, nor so great that all is refused
        assert min(counts.get("0", 0), counts.get("2", 0)) > count / 20, counts
    assert not lines[:-1], "\n\n".join(f"{line['case']}\n{line['problems']}" for line in lines[:-1])
