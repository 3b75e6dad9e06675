"""Models that are told the language of a text: X-MOD by an adapter of each, XLM and FlauBERT by an embedding."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lsg_convert import convert
from lsg_convert.common.errors import RequestError
from tests.families.pairs import DENSE_LIMIT, MAX_LEN, OPTIONS, SOURCE_LENGTH, Pair, assert_same
from tests.tiny import make_checkpoint
from tests.training.test_training import gradients, without_dropout

MakePair = Callable[..., Pair]
LONG = 70
ADAPTERS: dict[str, dict[str, Any]] = {
    "norm reused": {},
    "norm of its own": {"adapter_layer_norm": True},
    "residual before the norm": {"ln_before_adapter": False},
    "no norm": {"adapter_reuse_layer_norm": False},
    "norms first": {"pre_norm": True},
}
XLM_STYLE = [("xlm", "XLMWithLMHeadModel"), ("flaubert", "FlaubertWithLMHeadModel")]


def xmod(pair: MakePair, **values: Any) -> Pair:
    """X-MOD, with three languages."""
    return pair("xmod", "XmodForMaskedLM", **values)


@torch.no_grad()
@pytest.mark.parametrize("adapter", list(ADAPTERS))
def test_adapters(pair: MakePair, adapter: str) -> None:
    """Each row is adapted to its own language, in every variant of the adapter."""
    made = xmod(pair, **ADAPTERS[adapter])
    inputs = made.inputs(DENSE_LIMIT, padded=True)
    for lang_ids in (None, torch.tensor([2, 2]), torch.tensor([2, 0])):
        asked = {**inputs, "lang_ids": lang_ids, "output_hidden_states": True}
        assert_same(made.converted(**asked), made.source(**asked))


@pytest.mark.parametrize("unpadded", [False, True])
def test_rows_of_several_languages(pair: MakePair, unpadded: bool) -> None:
    """Above the dense limit each row gets what it gets alone, gradients too, and rows come back in their order."""
    made = xmod(pair)
    model = without_dropout(made.load(unpad_inputs=unpadded)).train()
    inputs = {name: torch.cat([value, value.flip(0)]) for name, value in made.inputs(LONG, padded=True).items()}
    lang_ids = torch.tensor([2, 0, 2, 1])
    found = gradients(model, {**inputs, "lang_ids": lang_ids, "labels": inputs["labels"]})
    used = {name.split(".")[-3] for name, gradient in found.items() if ".adapter_modules." in name and gradient.any()}
    assert used == {"en_XX", "de_DE", "fr_XX"}
    with torch.no_grad():
        every = model.eval()(**inputs, lang_ids=lang_ids, output_hidden_states=True)
        for row, language in enumerate(lang_ids):
            alone = {name: value[row : row + 1] for name, value in inputs.items() if name != "labels"}
            expected = model(**alone, lang_ids=language[None], output_hidden_states=True)
            ours = {"logits": every.logits[row : row + 1]}
            ours["hidden_states"] = tuple(state[row : row + 1] for state in every.hidden_states)
            if unpadded:  # where padding that is not run leaves zeros
                kept = alone["attention_mask"].bool()
                ours = {"logits": ours["logits"][kept]}
                expected = {"logits": expected.logits[kept]}
            assert_same(ours, expected)


@torch.no_grad()
def test_which_language(pair: MakePair) -> None:
    """That of the configuration, which a user may change; without one, the user is told what to do."""
    made = xmod(pair)
    model, inputs = made.load(), made.inputs(20)
    model.config.default_language = None
    with pytest.raises(ValueError, match="set_default_language"):
        model(**inputs)
    expected = made.source(**inputs, lang_ids=torch.tensor([2, 2]))
    model.set_default_language("fr_XX")
    assert_same(model(**inputs), expected)


@pytest.mark.parametrize("language", [None, "xx_XX"])
def test_a_source_without_a_language_is_refused(tmp_path: Path, language: str | None) -> None:
    source = make_checkpoint("xmod", None, tmp_path / "source", default_language=language)
    with pytest.raises(RequestError, match=r"no language that is read by default.*en_XX, de_DE, fr_XX") as caught:
        convert(source, output=tmp_path / "out")
    assert "default_language" in str(caught.value.hint)


@torch.no_grad()
def test_a_graph_is_of_one_language(pair: MakePair) -> None:
    made = xmod(pair)
    inputs = made.inputs(LONG, labels=False)
    compiled = torch.compile(made.load(), backend="eager", fullgraph=True)
    assert_same({"logits": compiled(**inputs).logits}, {"logits": made.converted(**inputs).logits})
    with pytest.raises(Exception, match="a graph is made for one language"):
        compiled(**inputs, lang_ids=torch.tensor([0, 1]))


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture"), XLM_STYLE)
def test_langs_types_and_lengths(pair: MakePair, model_type: str, architecture: str) -> None:
    """Whatever is added to embeddings is added to global 0 as well; without a mask, padding is found by its id."""
    made = pair(model_type, architecture, n_langs=3)
    inputs = made.inputs(DENSE_LIMIT, padded=True)
    unmasked = {name: value for name, value in inputs.items() if name != "attention_mask"}
    langs = torch.tensor([2, 1])[:, None].expand(2, DENSE_LIMIT)
    types = (torch.arange(DENSE_LIMIT) > 9).long().expand(2, -1)
    for given in (
        {**inputs, "langs": langs},
        {**inputs, "token_type_ids": types},
        {**inputs, "langs": langs, "token_type_ids": 1 - types},
        unmasked,
        {**unmasked, "lengths": torch.tensor([DENSE_LIMIT, 11])},
    ):
        asked = {**given, "output_hidden_states": True}
        assert_same(made.converted(**asked), made.source(**asked))


@torch.no_grad()
@pytest.mark.parametrize("values", [{"gelu_activation": False}, {"n_langs": 3, "use_lang_emb": False}], ids=str)
@pytest.mark.parametrize(("model_type", "architecture"), XLM_STYLE)
def test_variants(pair: MakePair, model_type: str, architecture: str, values: dict[str, Any]) -> None:
    made = pair(model_type, architecture, **values)
    inputs = made.inputs(DENSE_LIMIT, padded=True, labels=False)
    assert_same(made.converted(**inputs), made.source(**inputs))


@torch.no_grad()
def test_norms_first(pair: MakePair) -> None:
    """FlauBERT's larger models. Releases from 5.0 on do not run them, so the layers are written down here."""
    made = pair("flaubert", "FlaubertModel", pre_norm=True)
    source, inputs = made.source, made.inputs(DENSE_LIMIT, labels=False)
    states = source.embeddings(inputs["input_ids"]) + source.position_embeddings(torch.arange(DENSE_LIMIT))
    states = source.layer_norm_emb(states)
    heads = source.config.n_heads
    for attention, norm1, ffn, norm2 in zip(
        source.attentions, source.layer_norm1, source.ffns, source.layer_norm2, strict=True
    ):
        normalised = norm1(states)
        query, key, value = (
            getattr(attention, name)(normalised).unflatten(-1, (heads, -1)).transpose(1, 2)
            for name in ("q_lin", "k_lin", "v_lin")
        )
        weights = (query @ key.transpose(2, 3) / query.shape[-1] ** 0.5).softmax(-1)
        states = states + attention.out_lin((weights @ value).transpose(1, 2).flatten(2))
        states = states + ffn(norm2(states))
    assert_same({"last": made.converted(**inputs).last_hidden_state}, {"last": states})
    long = made.inputs(LONG, padded=True, labels=False)
    model = made.load()
    whole = model(**long).last_hidden_state
    for attention in model.attentions:  # watched, so that layers run whole
        attention.register_forward_hook(lambda *_: None)
    assert_same({"last": model(**long).last_hidden_state}, {"last": whole})


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture"), XLM_STYLE)
def test_a_config_of_2019(tmp_path: Path, model_type: str, architecture: str) -> None:
    """Which names the number of words otherwise."""
    source = make_checkpoint(model_type, architecture, tmp_path / "source", max_positions=SOURCE_LENGTH)
    file = source / "config.json"
    config = json.loads(file.read_text())
    config["n_words"] = config.pop("vocab_size")
    file.write_text(json.dumps(config))
    result = convert(source, output=tmp_path / "out", **OPTIONS)
    assert result.record.verification.passed


def test_layers_that_are_dropped(pair: MakePair) -> None:
    made = pair("flaubert", "FlaubertModel", layerdrop=0.5)
    model = made.load().train()
    torch.manual_seed(0)
    counts = {len(model(**made.inputs(20), output_hidden_states=True).hidden_states) for _ in range(20)}
    assert counts == {1, 2, 3}
    assert len(model.eval()(**made.inputs(20), output_hidden_states=True).hidden_states) == 3


@pytest.mark.parametrize(("model_type", "architecture"), XLM_STYLE)
def test_sinusoids_continue(tmp_path: Path, model_type: str, architecture: str) -> None:
    """Old rows are the source's bit for bit, new ones by the formula."""
    positions = torch.arange(MAX_LEN, dtype=torch.float64)[:, None] / 10000 ** (torch.arange(0, 32, 2) / 32)
    table = torch.stack([positions.sin(), positions.cos()], dim=-1).flatten(1).float()
    source = make_checkpoint(
        model_type, architecture, tmp_path / "source", max_positions=SOURCE_LENGTH, sinusoidal_embeddings=True
    )
    name, file = "transformer.position_embeddings.weight", source / "model.safetensors"
    save_file(load_file(file) | {name: table[:SOURCE_LENGTH].clone()}, file, {"format": "pt"})
    result = convert(source, output=tmp_path / "out", verify=False, **OPTIONS)
    written = load_file(tmp_path / "out" / "model.safetensors")[name]
    assert torch.equal(written[:SOURCE_LENGTH], table[:SOURCE_LENGTH])
    assert torch.allclose(written, table, atol=1e-6)
    assert torch.equal(result.load()[0].transformer.position_embeddings.weight, written)


@pytest.mark.parametrize(("model_type", "architecture"), XLM_STYLE)
def test_what_is_refused(pair: MakePair, tmp_path: Path, model_type: str, architecture: str) -> None:
    source = make_checkpoint(model_type, architecture, tmp_path / "source", causal=True)
    with pytest.raises(RequestError, match="look back only"):
        convert(source, output=tmp_path / "out")
    made = pair(model_type, architecture)
    with pytest.raises(ValueError, match="has none: leave it out"):
        made.converted(**made.inputs(9), cache={"slen": 0})
