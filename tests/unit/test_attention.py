"""The shipped attention: equal to the oracle that shares no code with it, and well-behaved."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from lsg_convert.modeling.lsg_attention import BACKENDS, AttentionPlan, lsg_attention
from tests.close import GRADIENT_ROUNDING, assert_close

from .attention_cases import (
    ANY_CASE,
    RELAXED,
    SCALE,
    SELECTIONS,
    assert_equals_oracle,
    drawn_options,
    make_case,
    options_of,
)


@RELAXED
@given(
    factor=st.sampled_from([0, 1, 2, 4, 8]),
    reach=st.sampled_from([0, 4, 8, 12, 16]),
    num_blocks=st.integers(1, 7),
    **ANY_CASE,
)
def test_equals_the_oracle(
    kind, factor, reach, num_globals, num_blocks, batch_size, padding, first, with_bias, opens, seed
):
    options = drawn_options(
        num_globals,
        first,
        sparsity_type=kind,
        sparsity_factor=factor,
        sparse_block_size=reach,
    )
    assert_equals_oracle(make_case(options, 8 * num_blocks, batch_size, padding, with_bias, seed, opens=opens))


@pytest.mark.parametrize("kind", SELECTIONS)
@pytest.mark.parametrize("padding", ["none", "end", "holes"])
@pytest.mark.parametrize("factor", [1, 2, 4])
def test_every_selection_equals_the_oracle(kind, padding, factor):
    options = options_of(sparsity_type=kind, sparsity_factor=factor)
    assert_equals_oracle(make_case(options, 64, padding=padding, with_bias=True))


@given(num_tokens=st.integers(1, 16), padding=st.sampled_from(["none", "end", "holes"]), num_globals=st.integers(0, 3))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_any_length_up_to_the_dense_limit(num_tokens, padding, num_globals):
    options = options_of(num_global_tokens=num_globals, mask_first_token=False)
    if padding == "holes" and num_tokens < 2:
        padding = "none"
    assert_equals_oracle(make_case(options, num_tokens, padding=padding, with_bias=True))


@pytest.mark.parametrize("kind", SELECTIONS)
@pytest.mark.parametrize("with_bias", [False, True])
def test_gradients_are_the_same_where_windows_are_kept(kind, with_bias, monkeypatch):
    case = make_case(options_of(sparsity_type=kind), 64, padding="end", with_bias=with_bias)
    inputs = case.trained()
    expected = torch.autograd.grad(case.visible(case.shipped()).square().sum(), inputs)
    monkeypatch.setitem(BACKENDS, "training", BACKENDS["training"]._replace(obstacle=lambda *_: "not now"))
    plain = torch.autograd.grad(case.visible(case.shipped()).square().sum(), inputs)
    for ours, theirs in zip(plain, expected, strict=True):
        assert_close(ours, theirs, GRADIENT_ROUNDING)


@pytest.mark.parametrize(("dropout_p", "with_bias"), [(0.0, False), (0.1, False), (0.0, True), (0.1, True)])
def test_training_keeps_no_windows(dropout_p, with_bias):
    case = make_case(options_of(sparse_block_size=16), 512, batch_size=1, with_bias=with_bias)
    case.trained()
    kept = 0

    def pack(tensor):
        nonlocal kept
        kept += tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        case.shipped(dropout_p)
    # Query, key, value twice (globals and tokens), sparse tokens, outputs, and the indices of what was selected.
    assert kept < 14 * case.query.numel()


def test_512_globals():
    assert_equals_oracle(make_case(options_of(num_global_tokens=512), 48, padding="end"))


@pytest.mark.parametrize("kind", SELECTIONS)
@pytest.mark.parametrize(("padding", "opens"), [("none", None), ("none", False), ("holes", True)])
@pytest.mark.parametrize("with_bias", [False, True])
def test_gradients_equal_the_oracles(kind, padding, opens, with_bias):
    options = options_of(sparsity_type=kind, sparse_block_size=16, num_global_tokens=3)
    case = make_case(options, 64, padding=padding, with_bias=with_bias, opens=opens)
    inputs = case.trained()
    weight = torch.randn(case.visible(case.shipped()).shape, generator=torch.Generator().manual_seed(1))
    gradients = [
        torch.autograd.grad((case.visible(context) * weight).sum(), inputs)
        for context in (case.shipped(), case.oracle())
    ]
    for ours, expected in zip(*gradients, strict=True):
        assert_close(ours, expected, GRADIENT_ROUNDING)


@pytest.mark.parametrize("kind", SELECTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_fully_masked_rows_are_finite(kind, dtype):
    for num_globals in (0, 1):
        options = options_of(sparsity_type=kind, num_global_tokens=num_globals)
        for num_tokens in (8, 48):
            case = make_case(options, num_tokens, dtype=dtype)
            case.query, case.key = case.query * 30, case.key * 30
            case.tokens = torch.zeros(2, num_tokens, dtype=torch.bool)
            assert case.shipped().isfinite().all()


@pytest.mark.parametrize("kind", SELECTIONS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 5e-2), (torch.float16, 8e-3)])
def test_half_precision_is_near_float32(kind, dtype, tolerance):
    # Rounded inputs on both sides, and selections that rounding cannot tip over.
    case = make_case(options_of(sparsity_type=kind), 64, padding="end", dtype=dtype)
    half = case.visible(case.shipped()).float()
    case.query, case.key, case.value = case.query.float(), case.key.float(), case.value.float()
    difference = (half - case.visible(case.shipped())).abs()
    # `lsh` and `norm` decide by comparing: a near tie may fall the other way for a few sparse tokens.
    assert difference.median() < tolerance / 4
    if kind not in ("lsh", "norm"):
        assert difference.max() < tolerance


@pytest.mark.parametrize("kind", SELECTIONS)
def test_masked_tokens_never_contribute(kind):
    case = make_case(options_of(sparsity_type=kind), 64, padding="holes")
    before = case.visible(case.shipped())
    gone = ~torch.nn.functional.pad(case.tokens, (1, 0), value=True)[:, None, :, None]
    gone[:, :, 1] = kind != "bos_pooling"  # the first token is masked too, but its query weighs bos_pooling
    case.key = torch.where(gone, torch.full_like(case.key, 7.0), case.key)
    case.value = torch.where(gone, torch.full_like(case.value, -9.0), case.value)
    assert_close(case.visible(case.shipped()), before)


@pytest.mark.parametrize("kind", SELECTIONS)
def test_padding_and_batch_do_not_matter(kind):
    options = options_of(sparsity_type=kind)
    alone = make_case(options, 32, batch_size=1)
    wide = make_case(options, 64, batch_size=3, padding="end", seed=5)
    for side in ("query", "key", "value"):
        getattr(wide, side)[1, :, :33] = getattr(alone, side)[0]
    wide.tokens[1] = torch.arange(64) < 32
    assert_close(wide.shipped()[1, :, :33], alone.shipped()[0])


def test_any_layout_of_the_inputs_will_do():
    case = make_case(options_of(), 64)
    expected = case.shipped()
    fused = torch.stack([case.query, case.key, case.value], dim=-2)
    case.query, case.key, case.value = fused.unbind(-2)
    assert_close(case.shipped(), expected)
    case.query, case.key, case.value = (part.contiguous() for part in (case.query, case.key, case.value))
    assert_close(case.shipped(), expected)


def test_merging_heads_is_free():
    for num_tokens in (16, 64):
        context = make_case(options_of(), num_tokens).shipped().transpose(1, 2)
        assert context.reshape(*context.shape[:2], -1).data_ptr() == context.data_ptr()


def test_inputs_are_left_alone():
    case = make_case(options_of(sparsity_type="lsh"), 64, padding="end")
    inputs = (case.query, case.key, case.value, case.tokens)
    before = [tensor.clone() for tensor in inputs]
    case.shipped()
    assert all(torch.equal(tensor, copy) for tensor, copy in zip(inputs, before, strict=True))


@pytest.mark.parametrize("kind", SELECTIONS)
def test_deterministic_and_silent_about_randomness(kind):
    case = make_case(options_of(sparsity_type=kind), 64)
    state = torch.random.get_rng_state()
    first = case.shipped()
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(3)
    assert torch.equal(case.shipped(), first)


@pytest.mark.parametrize("kind", ["pooling", "stride", "none"])  # others choose anew when inputs move
@pytest.mark.parametrize("padding", ["none", "holes"])
@pytest.mark.parametrize("with_bias", [False, True])
def test_gradients_under_dropout_are_slopes(kind, padding, with_bias):
    """Of what was computed: along a direction, with the same tokens dropped, the loss changes as they say."""
    case = make_case(options_of(sparsity_type=kind), 64, padding=padding, with_bias=with_bias)
    inputs = case.trained()
    directions = [torch.randn(part.shape, generator=torch.Generator().manual_seed(1)) for part in inputs]

    def loss(step=0.0):
        torch.manual_seed(3)
        with torch.no_grad():
            for part, direction in zip(inputs, directions, strict=True):
                part += step * direction
        return case.visible(case.shipped(dropout_p=0.3)).sin().double().sum()

    gradients = torch.autograd.grad(loss(), inputs)
    told = sum((gradient * direction).sum() for gradient, direction in zip(gradients, directions, strict=True))
    step = 2e-3
    seen = (loss(step) - loss(-2 * step)) / (2 * step)
    assert abs(told - seen) < 1e-3 * sum(gradient.norm() for gradient in gradients)


@pytest.mark.parametrize(("with_bias", "marked"), [(False, "none"), (True, "none"), (True, "some")])
@pytest.mark.parametrize("use_reentrant", [False, True])
def test_gradient_checkpointing_drops_the_same(with_bias, marked, use_reentrant):
    case = make_case(options_of(), 64, with_bias=with_bias, marked=marked)
    inputs = case.trained()

    def attend(query):
        return replace(case, query=query).shipped(dropout_p=0.2)

    gradients = []
    for run in (attend, partial(checkpoint, attend, use_reentrant=use_reentrant)):
        for part in inputs:
            part.grad = None
        torch.manual_seed(0)
        run(case.query).sin().sum().backward()
        gradients.append([part.grad for part in inputs])
    for ours, expected in zip(*gradients, strict=True):
        assert_close(ours, expected, GRADIENT_ROUNDING)


@pytest.mark.parametrize("training", [False, True])
def test_dropout_drops_and_keeps_the_mean(training):
    torch.manual_seed(0)
    case = make_case(options_of(), 64)
    case.value = torch.ones_like(case.value)
    case.query.requires_grad_(training)
    context = torch.stack([case.shipped(dropout_p=0.2) for _ in range(40)])
    assert not torch.equal(context[0], context[1])
    assert abs(context.detach().mean() - 1) < 0.02


@pytest.mark.parametrize("probability", [1e-6, 0.1, 0.9, 1.0])
def test_dropout_drops_its_share(probability):
    """Of the tokens' attention, where everything has the value 1: at 1.0 nothing is left."""
    torch.manual_seed(0)
    case = make_case(options_of(num_global_tokens=0, mask_first_token=False), 2048)
    case.value = torch.ones_like(case.value)
    case.query.requires_grad_()
    context = case.shipped(dropout_p=probability).detach()
    assert abs(context.mean() - float(probability < 1)) < 0.02
    assert bool(context.max() > 1.0 + 1e-5) == (1e-3 < probability < 1)


class LargestTensor(TorchDispatchMode):
    """Remembers the number of elements of the largest tensor that any operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.untyped_storage().nbytes() // tensor.element_size())
        return result


@pytest.mark.parametrize("kind", SELECTIONS)
@pytest.mark.parametrize("padding", ["none", "end"])
def test_nothing_is_as_large_as_tokens_squared(kind, padding):
    largest = {}
    for num_tokens in (128, 512):
        case = make_case(options_of(sparsity_type=kind), num_tokens, batch_size=1, padding=padding)
        for tensor in (case.query, case.key, case.value):
            tensor.requires_grad_()
        with LargestTensor() as seen:
            case.shipped().sum().backward()
        largest[num_tokens] = seen.largest
    assert largest[512] <= 4.2 * largest[128]
    assert largest[512] < 512 * 512 / 4


def test_all_blocks_in_one_call_is_the_same(monkeypatch):
    """What runs on other devices and in graphs."""
    cases = [
        make_case(options_of(sparsity_type=kind), 80, padding="end", with_bias=True, opens=opens)
        for kind in SELECTIONS
        for opens in (None, False)
    ]
    expected = [case.shipped() for case in cases]
    monkeypatch.setattr("lsg_convert.modeling.lsg_windows.is_eager_on_cpu", lambda device: False)
    monkeypatch.setattr("lsg_convert.modeling.lsg_attention.is_eager_on_cpu", lambda device: False)
    monkeypatch.setattr("lsg_convert.modeling.lsg_hashing.is_eager_on_cpu", lambda device: False)
    for case, context in zip(cases, expected, strict=True):
        assert_close(case.visible(case.shipped()), case.visible(context))


@pytest.mark.parametrize("kind", ["norm", "lsh"])
@pytest.mark.parametrize("tool", ["export", "trace", "compile"])
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_graphs_take_other_values_and_masks(kind, tool):
    """No branch on data: what was captured with one mask is right for another."""
    options = options_of(sparsity_type=kind)

    class Module(torch.nn.Module):
        def forward(self, query, key, value, tokens):
            return lsg_attention(query, key, value, AttentionPlan(options, tokens, 2, 48, query.device), SCALE)

    first, second = (make_case(options, 48, padding="holes", seed=seed) for seed in (1, 2))
    inputs = (first.query, first.key, first.value, first.tokens)
    if tool == "export":
        graph = torch.export.export(Module(), inputs).module()
    elif tool == "trace":
        graph = torch.jit.trace(Module(), inputs, check_trace=False)
    else:
        graph = torch.compile(Module(), fullgraph=True, backend="aot_eager")
    context = graph(second.query, second.key, second.value, second.tokens)
    assert_close(second.visible(context), second.visible(second.oracle()))


@pytest.mark.parametrize("kind", SELECTIONS)
@pytest.mark.parametrize(("padding", "opens"), [("none", None), ("none", False), ("holes", None)])
@pytest.mark.parametrize("num_globals", [0, 3])
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_equals_the_oracle(kind, padding, opens, num_globals):
    for block_size, factor, reach in ((32, 2, 32), (8, 4, 12 if kind not in ("norm", "lsh") else 8)):
        options = options_of(
            sparsity_type=kind,
            block_size=block_size,
            sparsity_factor=factor,
            sparse_block_size=reach,
            num_global_tokens=num_globals,
            mask_first_token=num_globals > 0,
            attention_backend="flex",
        )
        assert_equals_oracle(make_case(options, 320, padding=padding, opens=opens))


@pytest.mark.parametrize("kind", SELECTIONS)
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_in_bfloat16_is_sdpa_but_for_rounding(kind):
    """Contexts are about 1 here, where neighbouring numbers are 2^-7 apart."""
    contexts = []
    for backend in ("flex", "sdpa"):
        options = options_of(sparsity_type=kind, block_size=32, sparse_block_size=32, attention_backend=backend)
        case = make_case(options, 320, padding="end", dtype=torch.bfloat16)
        contexts.append(case.visible(case.shipped()))
    torch.testing.assert_close(*contexts, atol=1e-2, rtol=0)


@pytest.mark.parametrize("padding", ["none", "holes"])
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_gradients_equal_the_oracles(padding, monkeypatch):
    """On a CPU torch refuses to differentiate FlexAttention, though it can when nobody asks where it runs."""
    monkeypatch.setattr("torch.nn.attention.flex_attention._validate_device", lambda *_: None)
    case = make_case(options_of(block_size=32, sparse_block_size=32, attention_backend="flex"), 320, padding=padding)
    gradients = []
    for attention in (case.shipped, case.oracle):
        inputs = [part.detach().requires_grad_() for part in (case.query, case.key, case.value)]
        case.query, case.key, case.value = inputs
        gradients.append(torch.autograd.grad(case.visible(attention()).sin().sum(), inputs))
    for ours, expected in zip(*gradients, strict=True):
        assert_close(ours, expected, GRADIENT_ROUNDING)


def test_flex_is_not_compiled_for_every_length(monkeypatch):
    """Captured for one length, again for all that differ from it, and perhaps once more: never for each."""
    from torch._dynamo.testing import CompileCounterWithBackend
    from torch.nn.attention.flex_attention import flex_attention

    torch._dynamo.reset()
    graphs = CompileCounterWithBackend("aot_eager")
    captured = torch.compile(flex_attention, backend=graphs)
    monkeypatch.setattr("lsg_convert.modeling.lsg_flex._flex_attention", lambda device: captured)
    options = options_of(block_size=32, sparse_block_size=32, attention_backend="flex")
    lengths = (256, 320, 512, 640, 768, 1024, 1280)
    with torch.no_grad():
        for num_tokens in lengths:
            for padding in ("none", "holes"):
                assert_equals_oracle(make_case(options, num_tokens, padding=padding))
    assert 1 <= graphs.frame_count <= 3 < len(lengths)
    torch._dynamo.reset()


def test_flex_says_what_it_cannot_do():
    with pytest.raises(ValueError, match="FlexAttention has no dropout; choose 'auto' or 'sdpa'"):
        make_case(options_of(attention_backend="flex"), 64).shipped(dropout_p=0.1)
    with pytest.raises(ValueError, match="position bias"):
        make_case(options_of(attention_backend="flex"), 64, with_bias=True).shipped()
