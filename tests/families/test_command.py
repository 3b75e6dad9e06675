"""Every family through the installed command: converted and verified, with its kind of tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.families.pairs import BLOCK_SIZE, MAX_LEN, MODEL_TYPES, SOURCE_LENGTH
from tests.warm import lsg_convert

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_convert(checkpoint: Callable[..., Path], tmp_path: Path, model_type: str) -> None:
    source = checkpoint(model_type, max_positions=SOURCE_LENGTH)
    sizes = ["--max-len", MAX_LEN, "--block-size", BLOCK_SIZE, "--sparse-block-size", BLOCK_SIZE]
    done = lsg_convert(source, "--output", "long", *sizes, "--json", "--verify", cwd=tmp_path)
    assert done.code == 0, done.output
    result = done.json
    assert (result["family"], result["max_len"]) == (model_type, MAX_LEN)
    checks = result["verification"]["checks"]
    assert {check["status"] for check in checks} <= {"passed", "not run"}
    assert any(check["level"] == "exact parity" and check["status"] == "passed" for check in checks)
