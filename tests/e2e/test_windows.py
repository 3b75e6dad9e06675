"""What Windows lacks is not needed, and what is written does not depend on the system's encoding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lsg_convert import convert
from lsg_convert.common.files import is_plain_relative

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_without_posix_and_utf8_the_same_bytes_are_written(
    checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    source = checkpoint("bert")
    convert(source, output=tmp_path / "here", max_len=128, block_size=16, sparse_block_size=16)
    options = ["--max-len", "128", "--block-size", "16", "--sparse-block-size", "16", "--output", "there"]
    commands = [
        [str(source), *options],
        ["verify", "there", "--source", str(source), "--level", "exact"],
        ["inspect", "there"],
        ["push", "there", "me/it", "--dry-run"],
        ["families"],
    ]
    (tmp_path / "commands.json").write_text(json.dumps(commands), encoding="utf-8")
    ascii_only = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)}
    script = [sys.executable, str(ROOT / "tests/e2e/without_posix.py"), "commands.json"]
    done = subprocess.run(script, cwd=tmp_path, env={**os.environ, **ascii_only}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("ascii", "replace")[-3000:]
    names = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "there").iterdir())
    for name in set(names) - {"lsg_conversion.json", "README.md"}:  # these hold what `verify` has found
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes(), name


@pytest.mark.parametrize(
    ("name", "stays"),
    [
        ("model-00001-of-00002.safetensors", True), ("1_Pooling/config.json", True), ("C:weights.bin", False),
        ("C:\\weights.bin", False), ("..\\weights.bin", False), ("\\\\server\\share\\weights.bin", False),
        ("a\\b.bin", False), ("weights.bin:stream", False),
    ],
)  # fmt: skip
def test_names_that_lead_elsewhere_there_are_refused_here(name: str, stays: bool) -> None:
    assert is_plain_relative(name) is stays
