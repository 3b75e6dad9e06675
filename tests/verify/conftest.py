"""Converted folders, made once each, and copies of them to break."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from lsg_convert import Report, convert, verify
from lsg_convert.verification import run
from lsg_convert.verification.stranger import Stranger
from tests.tiny import FAMILIES as TINY

OPTIONS: dict[str, Any] = {"max_len": 136, "block_size": 16, "sparse_block_size": 16}


@dataclass(frozen=True)
class Converted:
    """A source and its converted folder."""

    source: Path
    folder: Path

    def verify(self, **options: Any) -> Report:
        return verify(self.folder, **options)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Models this small lose time to a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _without_stranger(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A process of its own takes seconds: tests that mean that check ask for `with_stranger`."""
    if "with_stranger" not in request.fixturenames:
        checks = tuple(check for check in run.ALL_CHECKS if check is not Stranger)
        monkeypatch.setattr(run, "ALL_CHECKS", checks)


@pytest.fixture
def with_stranger() -> None:
    """Let `verify` load folders as a stranger does, too."""


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory, checkpoint: Callable[..., Path]) -> Callable[..., Converted]:
    """Return a maker of converted folders, verified as conversions are; leave them as they are."""
    made: dict[str, Converted] = {}

    def make(model_type: str, architecture: str | None = None, **config: Any) -> Converted:
        key = repr((model_type, architecture, sorted(config.items())))
        if key not in made:
            source = checkpoint(model_type, architecture, **config)
            output = tmp_path_factory.mktemp("converted") / f"lsg-{model_type}"
            convert(source, output=output, **{**OPTIONS, **TINY[model_type].conversion})
            made[key] = Converted(source, output)
        return made[key]

    return make


@pytest.fixture
def breakable(converted: Callable[..., Converted], tmp_path: Path) -> Callable[..., Converted]:
    """Return a maker of copies that a test may break."""

    def make(model_type: str, architecture: str | None = None, **config: Any) -> Converted:
        good = converted(model_type, architecture, **config)
        shutil.copytree(good.folder, tmp_path / "folder")
        return Converted(good.source, tmp_path / "folder")

    return make


@pytest.fixture(autouse=True)
def _tokenizers(warm_tokenizers: None) -> None:
    """What is converted here is not about the process that tries them."""
