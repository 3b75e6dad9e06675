"""A sound source, a converted folder, and code that leaves a trace when it runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lsg_convert import convert

OPTIONS: dict[str, Any] = {"max_len": 128, "block_size": 16, "sparse_block_size": 16}


@pytest.fixture
def source(checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    """A copy of a tiny BERT."""
    return Path(shutil.copytree(checkpoint("bert"), tmp_path / "source"))


@pytest.fixture(scope="session")
def _converted(checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert(checkpoint("bert"), output=tmp_path_factory.mktemp("lsg") / "out", verify=False, **OPTIONS).output


@pytest.fixture
def folder(_converted: Path, tmp_path: Path) -> Path:
    """A copy of what the tiny BERT was converted into."""
    return Path(shutil.copytree(_converted, tmp_path / "lsg-tiny"))


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[str]:
    """Python code that is seen to have run: the test fails then."""
    trace = tmp_path / "code-was-run"
    yield f"import pathlib\npathlib.Path({str(trace)!r}).mkdir(exist_ok=True)\nclass Evil: pass\n"
    assert not trace.exists(), "foreign code was run"


def edit_json(path: Path, **values: Any) -> None:
    """Set keys of a JSON file, which is made where it is missing."""
    content = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(content | values))
