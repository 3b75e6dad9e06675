"""Pairs of source and conversion, made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from tests.families.pairs import Pair, make_pair


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Models this small lose time to a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


_MADE: dict[str, Pair] = {}  # here, because the tests of training have this fixture too


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Pair]:
    """Return a maker of pairs: `pair("bert", "BertForMaskedLM")`. Leave models as they are, or load others."""

    def make(model_type: str, architecture: str, **options: Any) -> Pair:
        key = repr((model_type, architecture, sorted(options.items())))
        if key not in _MADE:
            _MADE[key] = make_pair(model_type, architecture, tmp_path_factory.mktemp(architecture), **options)
        return _MADE[key]

    return make


@pytest.fixture(autouse=True)
def _tokenizers(warm_tokenizers: None) -> None:
    """What is converted here is not about the process that tries them."""
