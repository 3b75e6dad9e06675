"""Below the dense limit a converted model computes what its source computes, whatever is asked of its head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
from packaging.version import Version

from tests.families.pairs import CASES, DENSE_LIMIT, USUAL, Pair, assert_same

MakePair = Callable[..., Pair]
release = Version(transformers.__version__)
BEFORE_5 = release < Version("5.0.0")
# From 5.0.0 on these two read a pooler's output and build no pooler; mended in 5.14.0.
WITHOUT_POOLER = ("CamembertForMultipleChoice", "XLMRobertaForMultipleChoice")

# These lose the mask of short inputs before 4.57: their full attention is called as their blocks are.
WITHOUT_MASK = "BigBirdPegasus"

# The library's multiple-choice heads flatten [rows, choices, tokens] for their encoder, but for one input of these two.
UNFLATTENED = {"ErnieForMultipleChoice": "task_type_ids", "DistilBertForMultipleChoice": "position_ids"}


@torch.no_grad()
def both(pair: Pair, **inputs: Any) -> tuple[Any, Any]:
    """What the converted model and the source return."""
    if pair.architecture in WITHOUT_POOLER and Version("5.0.0") <= release < Version("5.14.0"):
        with pytest.raises((IndexError, TypeError)):
            pair.source(**inputs)
        pytest.skip(f"transformers {release} builds {pair.architecture} without the pooler that it reads")
    return pair.converted(**inputs), pair.source(**inputs)


@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize(("model_type", "architecture"), CASES)
def test_outputs_and_losses(pair: MakePair, model_type: str, architecture: str, padded: bool) -> None:
    if padded and architecture.startswith(WITHOUT_MASK) and release < Version("4.57.0"):
        pytest.skip(f"transformers {release} lets it attend to padding")
    made = pair(model_type, architecture)
    inputs = made.inputs(DENSE_LIMIT, padded)
    ours, source = both(made, **inputs, output_hidden_states=True)
    if BEFORE_5 and architecture.startswith(("RobertaPreLayerNorm", "ModernBert")):
        # The library's last state was the one before its last norm; since 5.0 it is the one after, and ours always.
        ours["hidden_states"], source["hidden_states"] = ours["hidden_states"][:-1], source["hidden_states"][:-1]
    assert_same(ours, source, made.num_globals_in_encoder_states)


@pytest.mark.parametrize(("model_type", "architecture"), CASES)
def test_tuples(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    inputs = {**made.inputs(20), "return_dict": False}
    if made.accepts("use_cache"):
        inputs["use_cache"] = False
    ours, source = both(made, **inputs)
    tensors = [[value for value in outputs if isinstance(value, torch.Tensor)] for outputs in (ours, source)]
    assert [value.dim() for value in tensors[0]] == [value.dim() for value in tensors[1]]
    states = made.num_globals_in_encoder_states
    named = [{f"{index}": value for index, value in enumerate(values)} for values in tensors]
    for index, value in named[0].items():
        if states and value.shape != named[1][index].shape:
            named[0][index] = value[:, states:]
    assert_same(*named)


@pytest.mark.parametrize(("model_type", "architecture"), CASES)
def test_inputs_embeds(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    inputs = made.inputs(20)
    if not made.accepts("inputs_embeds") or (made.family.is_seq2seq and "SequenceClassification" in architecture):
        pytest.skip("the library's head takes none")
    if made.plan.lsg.automatic_globals == "first":
        pytest.skip("the library's head marks the first of the ids, and there are none")
    words = made.source.get_input_embeddings()
    inputs["inputs_embeds"] = words(inputs.pop("input_ids")).detach()
    assert_same(*both(made, **inputs), made.num_globals_in_encoder_states)


@pytest.mark.parametrize(("model_type", "architecture"), CASES)
def test_positions_and_types(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    inputs = made.inputs(20)
    shape = inputs["input_ids"].shape
    given = {}
    if made.accepts("token_type_ids"):
        types = getattr(made.source.config, "type_vocab_size", 2) or 2  # without a table they are ignored, or words
        given["token_type_ids"] = ((torch.arange(20) > 9).long() % types).expand(shape)
    if made.accepts("task_type_ids"):
        given["task_type_ids"] = (torch.arange(20) % 3).expand(shape)
    if made.accepts("position_ids"):
        config = made.source.config.to_dict()
        order = torch.cat([torch.zeros(1, dtype=torch.long), torch.randperm(19) + 1])
        first = next((table.offset(config) for table in made.plan.family.positions_of(config)), 0)
        given["position_ids"] = (order + first).expand(shape)
    if not given:
        pytest.skip("the library's head takes none")
    unflattened = UNFLATTENED.get(architecture)
    if unflattened in given:
        given[unflattened] = given[unflattened].reshape(-1, 20)
    assert_same(*both(made, **inputs, **given), made.num_globals_in_encoder_states)


@pytest.mark.parametrize(("model_type", "architecture"), USUAL)
def test_one_token_and_no_mask(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    for length in (1, 2, 7):
        inputs = made.inputs(length)
        del inputs["attention_mask"]
        assert_same(*both(made, **inputs), made.num_globals_in_encoder_states)


@pytest.mark.parametrize(("model_type", "architecture"), USUAL)
def test_the_callers_mask_is_left_alone(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    inputs = made.inputs(40, padded=True)
    before = inputs["attention_mask"].clone()
    made.load()(**inputs)
    assert torch.equal(inputs["attention_mask"], before)


@pytest.mark.parametrize(("model_type", "architecture"), USUAL)
def test_linear_layers_are_what_tools_look_for(pair: MakePair, model_type: str, architecture: str) -> None:
    """int8 quantisation finds each of them."""
    model, source = pair(model_type, architecture).load(), pair(model_type, architecture).source
    linear = [name for name, module in model.named_modules() if type(module) is torch.nn.Linear]
    wanted = {name for name, module in source.named_modules() if isinstance(module, torch.nn.Linear)}
    assert {*linear} == wanted
    assert not any(isinstance(m, torch.nn.Linear) and type(m) is not torch.nn.Linear for m in model.modules())
    quantized = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    kinds = {name: type(module) for name, module in quantized.named_modules()}
    assert all(kinds[name] is torch.ao.nn.quantized.dynamic.Linear for name in linear)
    assert linear
