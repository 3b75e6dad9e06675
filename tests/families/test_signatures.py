"""Trainers look at the signature of `forward`: it names what the library's does, labels above all."""

from __future__ import annotations

import importlib
import inspect

import pytest
import transformers
from transformers.utils import find_labels

from lsg_convert.families import FAMILIES, PAIRS, Family


@pytest.mark.parametrize("family", [*FAMILIES.values(), *PAIRS.values()], ids=lambda family: family.model_type)
def test_shows_what_the_library_shows(family: Family) -> None:
    module = importlib.import_module(f"lsg_convert.modeling.{family.modeling_file}")
    assert family.heads
    for architecture in family.heads:
        library, ours = getattr(transformers, architecture), getattr(module, family.lsg_class(architecture))
        wanted, shown = (set(inspect.signature(cls.forward).parameters) for cls in (library, ours))
        missing = wanted - shown - {"args", "kwargs"}
        labels = {"labels", "start_positions", "end_positions"}
        assert not missing or ("kwargs" in shown and not missing & labels), missing
        assert find_labels(ours) == find_labels(library), architecture
