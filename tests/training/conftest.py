"""The pairs of `tests/families`."""

from tests.families.conftest import _one_thread, pair

__all__ = ["_one_thread", "pair"]
