"""Training a part of the weights: adapters (PEFT), or the global embeddings and the head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import peft
import pytest
import torch

from tests.close import GRADIENT_ROUNDING, assert_close
from tests.families.pairs import Pair
from tests.training import resumed
from tests.training.test_training import LENGTH, checkpointed, gradients, without_dropout

MakePair = Callable[..., Pair]


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize(
    ("model_type", "architecture", "targets"),
    [("bert", "BertForMaskedLM", ["query", "value"]), ("t5", "T5ForConditionalGeneration", ["q", "v"])],
)
def test_adapters_with_checkpoints(
    pair: MakePair, model_type: str, architecture: str, targets: list[str], reentrant: bool
) -> None:
    """The weights below an adapter are frozen, and a checkpoint must not take that for nothing to be trained."""
    made = pair(model_type, architecture)
    inputs = made.inputs(LENGTH, padded=True)

    def adapted(model: Any) -> Any:
        torch.manual_seed(0)
        return peft.get_peft_model(model, peft.LoraConfig(target_modules=targets, init_lora_weights=False))

    plain = gradients(without_dropout(adapted(made.load())), inputs)
    model = checkpointed(made.load(), reentrant)
    model.enable_input_require_grads()
    saved = gradients(without_dropout(adapted(model)), inputs)
    assert plain and plain.keys() == saved.keys() and all("lora_" in name for name in plain)
    for name, gradient in plain.items():
        assert gradient.any(), name
        assert_close(gradient, saved[name], GRADIENT_ROUNDING, terms=0.01)


@pytest.mark.parametrize("checkpoints", [None, False, True])
@pytest.mark.parametrize(
    ("model_type", "architecture", "head"),
    [
        ("bert", "BertForSequenceClassification", {"classifier.weight", "classifier.bias"}),
        ("roberta", "RobertaForSequenceClassification", {"classifier.dense.weight", "classifier.out_proj.weight"}),
    ],
)
def test_globals_and_head_alone(
    pair: MakePair, model_type: str, architecture: str, head: set[str], checkpoints: bool | None
) -> None:
    made = pair(model_type, architecture)
    model = without_dropout(made.load(num_global_tokens=4))
    if checkpoints is not None:
        checkpointed(model, checkpoints)
    resumed.training.freeze_all_but_globals(model)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    optimizer = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.1)
    inputs = made.inputs(LENGTH, padded=True)
    model.train()
    losses = []
    for _ in range(8):
        loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    changed = {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}
    (table,) = (name for name in changed if name.endswith("global_embeddings.weight"))
    assert head <= changed and all(name == table or name.startswith("classifier.") for name in changed)
    rows = (model.state_dict()[table] != before[table]).any(1).nonzero().flatten().tolist()
    assert rows == [0, 1, 2, 3]
    assert losses[-1] < losses[0]
