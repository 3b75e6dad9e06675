"""Checkpoints as they come: under a prefix or bare, with other heads, with or without tables that can be computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from lsg_convert import convert
from lsg_convert.families import FAMILIES
from tests.families.pairs import (
    MAX_LEN,
    MODEL_TYPES,
    OPTIONS,
    SOURCE_LENGTH,
    TOLERANCE,
    Pair,
    assert_same,
    make_pair,
)
from tests.tiny import FAMILIES as TINY
from tests.tiny import make_checkpoint

MakePair = Callable[..., Pair]
WEIGHTS = "model.safetensors"


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    """Change the tensors of a checkpoint."""
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, {"format": "pt"})


def rename(folder: Path, new_name: Callable[[str], str | None]) -> None:
    """Rename the tensors of a checkpoint; those named None are dropped."""
    rewrite(folder, lambda tensors: {new: tensor for name, tensor in tensors.items() if (new := new_name(name))})


@torch.no_grad()
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_bare_and_prefixed_names(tmp_path: Path, model_type: str) -> None:
    """The base model converts whether its tensors carry the family's prefix or not."""
    family = FAMILIES[model_type]
    outputs = []
    for name in ("bare", "prefixed"):
        source = make_checkpoint(model_type, family.base_class, tmp_path / name, max_positions=SOURCE_LENGTH)
        if name == "prefixed":
            rename(source, lambda tensor: f"{family.base_prefix}.{tensor}")
        result = convert(source, output=tmp_path / f"{name}-converted", verify=False, **OPTIONS)
        assert result.plan.layout.prefix == ("" if name == "bare" else f"{family.base_prefix}.")
        model, tokenizer = result.load()
        inputs = {"input_ids": torch.tensor([tokenizer("the wind came from the north").input_ids * 6])}
        if family.is_seq2seq:
            inputs["decoder_input_ids"] = inputs["input_ids"][:, :4]
        outputs.append(model(**inputs)[0])
    assert torch.equal(*outputs)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_another_head(pair: MakePair, tmp_path: Path, model_type: str) -> None:
    """Each head can be asked for; it is loaded with the source's base model and new weights of its own."""
    family = FAMILIES[model_type]
    source = make_checkpoint(model_type, None, tmp_path / "source", max_positions=SOURCE_LENGTH)
    for number, (architecture, head) in enumerate(family.heads.items()):
        plan = convert(source, output=tmp_path / "plan", architecture=architecture, dry_run=True, **OPTIONS).plan
        assert plan.config["architectures"] == [f"LSG{architecture}"]
        if architecture == TINY[model_type].architecture:
            said = "no longer the source's own" if plan.own_attention else "no global tokens"
            assert [said in note for note in plan.notes] == [True] * (
                not plan.global_is_bos and not plan.keeps_attention
            )
        if number != len(family.heads) // 2:
            continue
        result = convert(source, output=tmp_path / "other", architecture=architecture, verify=False, **OPTIONS)
        model, _ = result.load()
        assert type(model).__name__ == f"LSG{architecture}"
        # Families whose base model has a prefix in some heads only are compared below it.
        prefix = f"{model.base_model_prefix}."
        kept = {name.removeprefix(prefix): tensor for name, tensor in load_file(tmp_path / "other" / WEIGHTS).items()}
        loaded = {name.removeprefix(prefix): tensor for name, tensor in model.state_dict().items()}
        assert len(kept.keys() & loaded.keys()) > 10
        assert all(torch.equal(kept[name], loaded[name]) for name in kept.keys() & loaded.keys())
        assert head.auto_class in model.config.auto_map


SINUSOIDAL = [
    name for name, family in FAMILIES.items() if family.positions and family.positions[0].sinusoid == "by_width"
]


@pytest.mark.parametrize("present", [True, False], ids=["table in the file", "no table"])
@pytest.mark.parametrize("model_type", SINUSOIDAL)
def test_sinusoids_continue(tmp_path: Path, model_type: str, present: bool) -> None:
    """Old rows are the source's bit for bit, new ones what the library computes; the source may lack the table."""
    source = make_checkpoint(model_type, None, tmp_path / "source", max_positions=SOURCE_LENGTH)
    original = getattr(transformers, TINY[model_type].architecture).from_pretrained(source)
    tables = [f"model.{side}.embed_positions.weight" for side in ("encoder", "decoder")]
    sinusoids = original.get_encoder().embed_positions.weight.detach()

    def change(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        rest = {name: tensor for name, tensor in tensors.items() if name not in tables}
        return rest | ({name: sinusoids.clone() for name in tables} if present else {})

    rewrite(source, change)
    result = convert(source, output=tmp_path / "converted", verify=False, **OPTIONS)
    written = load_file(tmp_path / "converted" / WEIGHTS)
    assert [name in written for name in tables] == [present, present]
    model, _ = result.load()
    for side in (model.get_encoder(), model.model.decoder):
        table = side.embed_positions.weight.detach()
        assert table.shape[0] == MAX_LEN
        assert torch.equal(table[:SOURCE_LENGTH], sinusoids)
        frequencies = torch.exp(-torch.arange(16) * 2 / 32 * torch.log(torch.tensor(10000.0)))
        angles = torch.arange(MAX_LEN)[:, None] * frequencies
        assert torch.allclose(table, torch.cat([angles.sin(), angles.cos()], dim=1), atol=1e-4)


def test_a_table_that_is_not_sinusoidal(tmp_path: Path) -> None:
    source = make_checkpoint("pegasus", None, tmp_path / "source", max_positions=SOURCE_LENGTH)
    rewrite(source, lambda tensors: tensors | {"model.encoder.embed_positions.weight": torch.randn(SOURCE_LENGTH, 32)})
    with pytest.raises(Exception, match="does not hold the sinusoids"):
        convert(source, output=tmp_path / "converted", verify=False, **OPTIONS)
    assert not (tmp_path / "converted").exists()


def test_tables_that_the_library_computes_are_left_out(tmp_path: Path) -> None:
    source = make_checkpoint("m2m_100", None, tmp_path / "source", max_positions=SOURCE_LENGTH)
    rewrite(
        source, lambda tensors: tensors | {"model.encoder.embed_positions.weights": torch.randn(SOURCE_LENGTH + 2, 32)}
    )
    result = convert(source, output=tmp_path / "converted", verify=False, **OPTIONS)
    assert result.plan.dropped == ("model.encoder.embed_positions.weights",)


# What differs within a family: config values that change how the model is built.
VARIANTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "groups of layers": (
        "albert",
        "AlbertForMaskedLM",
        {"num_hidden_groups": 2, "inner_group_num": 2, "num_hidden_layers": 5},
    ),
    "embeddings as wide as layers": ("electra", "ElectraForPreTraining", {"embedding_size": 32}),
    "no task types": ("ernie", "ErnieForMaskedLM", {"use_task_id": False}),
    "words of each side": (
        "marian",
        "MarianMTModel",
        {"share_encoder_decoder_embeddings": False, "tie_word_embeddings": False},
    ),
    "words not scaled": ("mbart", "MBartForConditionalGeneration", {"scale_embedding": False}),
    "words scaled": ("bart", "BartForConditionalGeneration", {"scale_embedding": True}),
    "untied words": ("bert", "BertForMaskedLM", {"tie_word_embeddings": False}),
    "feed-forward in chunks": ("bert", "BertForMaskedLM", {"chunk_size_feed_forward": 5}),
    "feed-forward in chunks, groups": ("albert", "AlbertForMaskedLM", {"chunk_size_feed_forward": 5}),
    "feed-forward in chunks, a module": ("distilbert", "DistilBertForMaskedLM", {"chunk_size_feed_forward": 5}),
    "a shallower decoder": (
        "bart",
        "BartForConditionalGeneration",
        {"decoder_layers": 1, "decoder_attention_heads": 2},
    ),
}


@torch.no_grad()
@pytest.mark.parametrize("variant", list(VARIANTS))
def test_variants(pair: MakePair, variant: str) -> None:
    model_type, architecture, values = VARIANTS[variant]
    made = pair(model_type, architecture, **values)
    for padded in (False, True):
        inputs = made.inputs(30, padded)
        ours, source = made.converted(**inputs), made.source(**inputs)
        assert_same(ours, source, made.num_globals_in_encoder_states)


@torch.no_grad()
def test_barthez_opens_with_bos(tmp_path: Path) -> None:
    """Its model is mBART's, its inputs open with BOS: as shipped it is exact, with one global."""
    made = make_pair("mbart", "MBartForConditionalGeneration", tmp_path, tokenizer="barthez")
    assert (made.plan.opens_with_bos, made.plan.lsg.mask_first_token, made.plan.positions) == (True, True, "tile")
    assert made.converted.config.num_global_tokens == 1
    inputs = made.inputs(30, padded=True)
    assert_same(made.converted(**inputs), made.source(**inputs), 1)


@pytest.mark.parametrize("model_type", [name for name in MODEL_TYPES if not FAMILIES[name].opens_with_bos])
def test_without_bos_no_token_is_masked(pair: MakePair, model_type: str) -> None:
    made = pair(model_type, TINY[model_type].architecture)
    assert (made.plan.lsg.mask_first_token, made.plan.lsg.num_global_tokens) == (False, 0)
    assert made.plan.positions == "tile-all"
    assert made.load().config.mask_first_token is False


@torch.no_grad()
@pytest.mark.parametrize("model_type", [name for name in MODEL_TYPES if FAMILIES[name].positions])
def test_first_global_is_the_first_token(pair: MakePair, model_type: str) -> None:
    """Row 0 of the globals is what the source's encoder makes of its opening token at position 0, scale included."""
    # ESM's scale depends on how many tokens are masked: the model applies it, to globals too.
    made = pair(model_type, TINY[model_type].architecture, **({"token_dropout": False} if model_type == "esm" else {}))
    encoder = made.load_source()
    encoder = encoder.get_encoder() if made.family.is_seq2seq else getattr(encoder, made.family.base_prefix, encoder)
    summed = []
    places = ("embeddings.LayerNorm", "embeddings.dropout", "layernorm_embedding", "layer_norm_emb", "layers.0")
    places += ("encoder.layer.0",)
    modules = dict(encoder.named_modules())
    for place in places:  # whichever is run first
        if place in modules:
            modules[place].register_forward_pre_hook(lambda _, inputs: summed.append(inputs[0]))
    roles = (getattr(made.tokenizer, f"{role}_token_id", None) for role in made.family.first_token_roles)
    first = next(token for token in roles if token is not None)
    encoder(input_ids=torch.tensor([[first, first]]))
    ours = made.load().state_dict()[made.plan.layout.global_embeddings]
    assert (ours[0] - summed[0][0, 0]).abs().max() <= TOLERANCE
