"""Fixtures that every test may use: tiny checkpoints, and the installed command in a fresh process."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# On a busy machine making examples takes its time.
_WHOLE_SUITE = hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("lsg-convert", _WHOLE_SUITE)
hypothesis.settings.load_profile("lsg-convert")

# Before anything imports the libraries: quiet, and never on the network.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Tiny models gain nothing from threads, and waiting threads burn the cores that other tests need.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Remote code is copied there: neither left over from an earlier run, nor shared with another one.
if "HF_MODULES_CACHE" not in os.environ:
    os.environ["HF_MODULES_CACHE"] = tempfile.mkdtemp(prefix="lsg-modules-")
    atexit.register(shutil.rmtree, os.environ["HF_MODULES_CACHE"], ignore_errors=True)
# A shell that starts the tests in the background has them ignore interruption, and what they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Let garbage collection leave alone what was imported: to look at all of it takes half a second each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a maker of tiny checkpoints: `checkpoint("bert", "BertForMaskedLM", max_positions=64, ...)`.

    The same request gives the same folder: leave it as it is, or copy it first.
    """
    from tests.tiny import make_checkpoint

    made: dict[str, Path] = {}

    def make(model_type: str, architecture: str | None = None, **options: Any) -> Path:
        key = repr((model_type, architecture, sorted(options.items(), key=repr)))
        if key not in made:
            folder = tmp_path_factory.mktemp(f"tiny-{model_type}") / f"tiny-{model_type}"
            made[key] = make_checkpoint(model_type, architecture, folder, **options)
        return made[key]

    return make


@pytest.fixture
def warm_tokenizers() -> Iterator[None]:
    """Conversions in this process try tokenizers in processes that have the library loaded."""
    from tests import warm

    with warm.tokenizers():
        yield
