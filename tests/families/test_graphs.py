"""One graph for every length and batch: by torch.export, strict and not, and by torch.compile; linear in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.export import Dim

from lsg_convert.families import FAMILIES
from lsg_convert.modeling.lsg_options import SPARSITY_TYPES
from tests.close import assert_close
from tests.families.pairs import BLOCK_SIZE, DENSE_LIMIT, MAX_LEN, Pair
from tests.tiny import one_layer
from tests.unit.test_attention import LargestTensor

MakePair = Callable[..., Pair]
KINDS = [kind for kind in SPARSITY_TYPES if kind != "lsh"]  # which a folder has no code for unless it is asked for
TWELVE = (5, 9, BLOCK_SIZE, 20, DENSE_LIMIT, DENSE_LIMIT + 1, 40, 48, 64, 80, 100, MAX_LEN)


def inputs(made: Pair, length: int, batch: int) -> dict[str, torch.Tensor]:
    """Texts of which some have holes, some are padded on the right, and some do not open as others do."""
    ids = made._ids(batch, length, torch.Generator().manual_seed(length))
    mask = torch.ones_like(ids)
    if length > 4:
        mask[1:2, length * 2 // 3 :] = 0
        mask[-1, 1] = 0
        ids[2:, 0] = ids[2:, 2]
    return {"input_ids": ids, "attention_mask": mask}


def exported(model: Any, made: Pair, strict: bool) -> Any:
    example = inputs(made, 40, 2)
    dimensions = {name: {0: Dim("batch"), 1: Dim("length", max=MAX_LEN)} for name in example}
    return torch.export.export(model, (), example, dynamic_shapes=dimensions, strict=strict).module()


def assert_same(graph: Any, model: Any, made: Pair, length: int, batch: int) -> None:
    given = inputs(made, length, batch)
    kept = given["attention_mask"].bool()
    ours, expected = graph(**given)[0], model(**given)[0]
    globals_ = expected.shape[1] - length  # that lead what an encoder hands to its decoder
    assert_close(ours[:, globals_:][kept], expected[:, globals_:][kept])


@torch.no_grad()
@pytest.mark.parametrize(("kind", "num_globals"), [*((kind, 1) for kind in KINDS), ("norm", 0), ("none", 2)])
def test_exported_once_it_is_right_for_every_length_and_batch(pair: MakePair, kind: str, num_globals: int) -> None:
    made = pair("bert", "BertModel", **one_layer("bert"))
    first = {"mask_first_token": num_globals > 0, "pool_with_global": num_globals > 0}
    model = made.load(sparsity_type=kind, num_global_tokens=num_globals, **first)
    graph = exported(model, made, strict=False)
    for length in (1, 2, 5, 16, 17, 32, 33, 48, 100, MAX_LEN):
        for batch in (1, 3):
            assert_same(graph, model, made, length, batch)


@torch.no_grad()
@pytest.mark.parametrize("case", ["t5", "mpnet", "bart", "deberta", "deberta-v2", "modernbert", "esm"])
def test_other_styles(pair: MakePair, case: str) -> None:
    """A bias by distance, with and without positions of globals; an encoder that serves a decoder; terms by content;
    rotary positions, and layers that see near tokens only.
    """
    # T5's first layer has the bias of all, ModernBERT's layers are of two kinds.
    layers = {} if case in ("t5", "modernbert") else one_layer(case)
    made = pair(case, "T5EncoderModel" if case == "t5" else FAMILIES[case].base_class, **layers)
    model = made.converted.get_encoder() if case == "bart" else made.converted
    graph = exported(model, made, strict=case == "t5")
    for length in (3, DENSE_LIMIT, 50, MAX_LEN):
        assert_same(graph, model, made, length, 3)


@torch.no_grad()
def test_compiled_it_is_one_graph_for_twelve_lengths(pair: MakePair) -> None:
    made = pair("bert", "BertModel")
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    graph = torch.compile(made.converted, fullgraph=True, dynamic=True, backend="eager")
    for length in TWELVE:
        assert_same(graph, made.converted, made, length, 3)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    torch._dynamo.reset()


@torch.no_grad()
@pytest.mark.parametrize("case", [("bert", "BertModel"), ("t5", "T5EncoderModel"), ("modernbert", "ModernBertModel")])
def test_no_tensor_is_quadratic_in_the_length(pair: MakePair, case: tuple[str, str]) -> None:
    made = pair(*case)
    graph = exported(made.load(block_size=8, sparse_block_size=8), made, strict=False)
    largest = {}
    for length in (MAX_LEN // 4, MAX_LEN):
        with LargestTensor() as seen:
            graph(**inputs(made, length, 1))
        largest[length] = seen.largest
    assert largest[MAX_LEN] <= 4.2 * largest[MAX_LEN // 4]
