"""T5's bias by distance: the library's own below the dense limit, the oracle's above it, and what trains it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoModelForTextEncoding
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder
from transformers.models.t5.modeling_t5 import T5Attention

from lsg_convert import convert
from lsg_convert.common.errors import RequestError
from lsg_convert.modeling.lsg_attention import lsg_attention
from lsg_convert.modeling.lsg_options import SPARSITY_TYPES
from lsg_convert.modeling.lsg_relative import distance_bucket
from lsg_convert.verification.oracle import dense_lsg_attention
from tests.close import assert_close
from tests.compiler import HAS_KERNEL

OPTIONS: dict[str, Any] = {"max_len": 1024, "block_size": 16, "sparse_block_size": 16, "num_global_tokens": 2}


@pytest.fixture(scope="module")
def folder(checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("t5") / "lsg-t5"
    convert(checkpoint("t5"), output=output, verify=False, **OPTIONS)
    return output


@pytest.fixture(scope="module")
def folder_with_lsh(checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its code has every selection."""
    output = tmp_path_factory.mktemp("t5") / "lsg-t5-lsh"
    convert(checkpoint("t5"), output=output, verify=False, sparsity_type="lsh", **OPTIONS)
    return output


def encoder(folder: Path, model_class: Any = AutoModelForTextEncoding, **options: Any) -> Any:
    """The encoder alone, with a bias towards globals that has been trained."""
    model = model_class.from_pretrained(folder, trust_remote_code=True, **options).eval()
    with torch.no_grad():
        model.encoder.global_bias.weight.copy_(torch.tensor([0.5, -1.0, 2.0, 0.0]))
    return model


def run_code(path: Path) -> ModuleType:
    """A folder's code by itself: the library would take the classes of a T5 folder that it knows already."""
    spec = importlib.util.spec_from_file_location("lsg_t5_with_kernel", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def inputs(length: int) -> dict[str, torch.Tensor]:
    """Two texts, the second with padding at its end. No word comes twice: its keys would be equally long."""
    generator = torch.Generator().manual_seed(length)
    ids = torch.stack([torch.randperm(195, generator=generator)[:length] + 5 for _ in range(2)])
    mask = torch.ones_like(ids)
    mask[1, length - length // 4 :] = 0
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 128), (16, 32), (64, 256), (32, 1000)])
def test_buckets_are_the_librarys(num_buckets: int, max_distance: int) -> None:
    distance = torch.arange(-(2**17), 2**17)
    expected = T5Attention._relative_position_bucket(distance, True, num_buckets, max_distance)
    assert torch.equal(distance_bucket(distance, num_buckets, max_distance), expected)
    expected = MPNetEncoder.relative_position_bucket(distance, num_buckets, max_distance)
    assert torch.equal(distance_bucket(distance, num_buckets, max_distance), expected)


@torch.no_grad()
@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("selection", SPARSITY_TYPES)
def test_every_selection_equals_the_oracle(folder_with_lsh: Path, selection: str, factor: int) -> None:
    """Layer by layer, on the same queries, keys and values: of two keys nearly as long, rounding may choose either."""
    code = run_code(folder_with_lsh / "modeling_lsg_t5.py")
    model = encoder(folder_with_lsh, code.LSGT5EncoderModel, sparsity_type=selection, sparsity_factor=factor)
    calls: list[torch.Tensor] = []

    def compared(*arguments: Any) -> torch.Tensor:
        context = lsg_attention(*arguments)
        assert_close(context, dense_lsg_attention(*arguments))
        calls.append(context)
        return context

    for block in model.encoder.block:
        block.layer[0].SelfAttention.attention = compared
    for length in (96, 77):
        model(**inputs(length))
    assert len(calls) == 4


@torch.no_grad()
def test_the_bias_reaches_any_distance(folder: Path) -> None:
    """No length is refused, and what is far beyond the length of training still has its place."""
    model = encoder(folder)
    ids = torch.full((1, 1536), 7)
    states = model(ids)[0]
    assert states.shape == (1, 1536, 32)
    assert torch.isfinite(states).all()
    # All tokens are one word: far from both ends, nothing but the distance could tell them apart, and it does not.
    assert_close(states[0, 500], states[0, 500 + 16 * 30])
    assert not torch.allclose(states[0, 0], states[0, 500], atol=1e-3)


def test_the_bias_is_trained(folder: Path) -> None:
    """With gradient checkpointing of both kinds the gradients are those without it."""
    gradients = []
    for checkpointing in (None, False, True):
        model = encoder(folder)
        if checkpointing is not None:
            model.gradient_checkpointing_enable({"use_reentrant": checkpointing})
        model.train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
            if hasattr(module, "dropout_probability"):
                module.dropout_probability = 0.0
        embeddings = model.get_input_embeddings()(inputs(80)["input_ids"])
        model(inputs_embeds=embeddings)[0].square().sum().backward()
        by_bucket = model.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight.grad
        gradients.append((by_bucket, model.encoder.global_bias.weight.grad))
        assert all(gradient.abs().max() > 0 for gradient in gradients[-1])
    for gradient in gradients[1:]:
        for ours, expected in zip(gradient, gradients[0], strict=True):
            # layers add up in another order then
            assert (ours - expected).abs().max() < 1e-5 * expected.abs().max()


@torch.no_grad()
def test_half_precision_is_kept_as_in_the_library(folder: Path) -> None:
    """`wo` stays float32 beside float16, and autocast meets no dtype that it cannot mix."""
    model = encoder(folder, torch_dtype=torch.float16)
    assert model.encoder.block[0].layer[1].DenseReluDense.wo.weight.dtype == torch.float32
    assert model.encoder.block[0].layer[0].SelfAttention.q.weight.dtype == torch.float16
    assert torch.isfinite(model(**inputs(96))[0]).all()
    model = encoder(folder, sparsity_type="none")
    expected = model(**inputs(96))[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert (model(**inputs(96))[0].float() - expected).abs().mean() < 0.03
        assert torch.isfinite(model(inputs(96)["input_ids"])[0]).all()


def test_the_bias_towards_globals_is_a_tensor_of_the_folder(folder: Path) -> None:
    model, info = AutoModelForSeq2SeqLM.from_pretrained(folder, trust_remote_code=True, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert torch.equal(model.encoder.global_bias.weight, torch.zeros(4))
    # Global 0 is EOS, which ends every input; the others must differ or they would be one.
    rows = model.encoder.global_embeddings.weight
    assert torch.equal(rows[0], model.shared.weight[model.config.eos_token_id])
    assert torch.cdist(rows[:32], rows[:32]).fill_diagonal_(1.0).min() > 0.1


def test_attention_without_position_bias_is_refused(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="FlexAttention computes no position bias, and t5 has one"):
        convert(checkpoint("t5"), output=tmp_path / "out", verify=False, attention_backend="flex", **OPTIONS)
    assert not (tmp_path / "out").exists()


def test_the_compiled_kernel_computes_the_bias_too(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "kernel"
    convert(checkpoint("t5"), output=folder, verify=False, attention_backend="cpp", **OPTIONS)
    code = run_code(folder / "modeling_lsg_t5.py")
    outputs = []
    for backend in ("sdpa", "cpp"):
        model = encoder(folder, code.LSGT5EncoderModel, attention_backend=backend)
        with torch.no_grad():
            outputs.append(model(**inputs(160))[0])
    assert_close(*outputs)
    assert code._kernel() or not HAS_KERNEL, "SDPA served"
