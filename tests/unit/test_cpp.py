"""The C++ kernel: equal to the oracle wherever it is used, and SDPA everywhere else."""

import warnings

import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from lsg_convert.modeling import lsg_cpp
from lsg_convert.modeling.lsg_attention import BACKENDS
from tests.close import GRADIENT_ROUNDING, assert_close
from tests.compiler import needs_compiler

from .attention_cases import ANY_CASE, RELAXED, make_case, options_of


@pytest.fixture
def windows_by_kernel(monkeypatch):
    """The number of windows that the kernel was given, call by call."""
    counts = []

    def attend(query, key, value, call):
        for context in lsg_cpp.attend_by_cpp(query, key, value, call):
            counts.append(context.shape[2] // call.plan.options.block_size)
            yield context

    monkeypatch.setitem(BACKENDS, "cpp", BACKENDS["cpp"]._replace(attend=attend))
    return counts


@needs_compiler
@settings(RELAXED, max_examples=80)
@given(
    block_size=st.sampled_from([1, 4, 16, 24, 64, 72, 128]),
    factor=st.sampled_from([1, 2, 4]),
    num_blocks=st.integers(3, 12),
    **ANY_CASE,
)
def test_equals_the_oracle(
    windows_by_kernel,
    kind,
    block_size,
    factor,
    num_globals,
    num_blocks,
    batch_size,
    padding,
    first,
    with_bias,
    opens,
    seed,
):
    try:
        options = options_of(
            sparsity_type=kind,
            block_size=block_size,
            sparse_block_size=min(block_size, 16 if block_size % 16 == 0 else 8),
            sparsity_factor=factor,
            num_global_tokens=num_globals,
            mask_first_token=first and num_globals > 0,
            attention_backend="cpp",
        )
    except ValueError:
        reject()
    case = make_case(options, block_size * num_blocks, batch_size, padding, with_bias, seed, opens=opens)
    windows_by_kernel.clear()
    context = case.shipped()
    assert sum(windows_by_kernel) == num_blocks
    assert_close(case.visible(context), case.visible(case.oracle()))


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2])
def test_other_layouts_and_threads_are_the_same(threads):
    """Keys whose heads lie first, or whose rows are not contiguous."""
    case = make_case(options_of(attention_backend="cpp"), 80, padding="holes")
    expected = case.shipped()
    case.key = case.key.contiguous()
    case.value = case.value.transpose(2, 3).contiguous().transpose(2, 3)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert_close(case.shipped(), expected)
    finally:
        torch.set_num_threads(before)


@needs_compiler
def test_fully_masked_rows_are_finite():
    for num_globals in (0, 1):
        case = make_case(options_of(num_global_tokens=num_globals, attention_backend="cpp"), 48)
        case.query, case.key = case.query * 30, case.key * 30
        case.tokens = torch.zeros(2, 48, dtype=torch.bool)
        assert case.shipped().isfinite().all()


@needs_compiler
def test_sdpa_serves_training_dropout_and_other_types(windows_by_kernel):
    options = options_of(attention_backend="cpp")
    case = make_case(options, 64)
    case.shipped(dropout_p=0.1)
    case.trained()
    case.shipped().sum().backward()
    make_case(options, 64, dtype=torch.bfloat16).shipped()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        make_case(options, 64).shipped()
    torch.compile(make_case(options, 64).shipped, backend="eager")()
    assert not windows_by_kernel
    with torch.no_grad():
        case.shipped()
    assert windows_by_kernel == [8]


def test_a_bias_that_alone_is_trained_gets_its_gradient():
    """As in a model that is frozen but for it."""
    gradients = []
    for backend in ("sdpa", "cpp"):
        case = make_case(options_of(attention_backend=backend), 64, with_bias=True)
        trained = [case.bias.globals.requires_grad_(), case.slopes.requires_grad_()]
        gradients.append(torch.autograd.grad(case.shipped().square().sum(), trained))
    for ours, expected in zip(*gradients, strict=True):
        assert_close(ours, expected, GRADIENT_ROUNDING)


def test_without_a_compiler_sdpa_serves_and_says_why(monkeypatch):
    """As it is on most machines that were never meant to build anything."""
    from torch._inductor.codecache import CppCodeCache

    def load(source):
        raise RuntimeError("No working C++ compiler found\nand much more")

    case = make_case(options_of(attention_backend="sdpa"), 64)
    expected = case.shipped()
    monkeypatch.setattr(CppCodeCache, "load", load)
    monkeypatch.setattr(lsg_cpp, "_kernel", lsg_cpp._kernel.__wrapped__)
    case.options = options_of(attention_backend="cpp")
    with pytest.warns(UserWarning, match=r"SDPA serves.*\(No working C\+\+ compiler found\)\. Install"):
        assert torch.equal(case.shipped(), expected)


def test_nothing_is_compiled_unasked(monkeypatch):
    monkeypatch.setattr(lsg_cpp, "_kernel", lambda: pytest.fail("the kernel was asked for"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for backend in ("auto", "sdpa"):
            make_case(options_of(attention_backend=backend), 64).shipped()
