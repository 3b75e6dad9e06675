"""The pairs of `tests/families`."""

from tests.families.conftest import _one_thread, _tokenizers, pair

__all__ = ["_one_thread", "_tokenizers", "pair"]
