"""Rotary families: the library's own outputs where LSG attends to everything; what a conversion settles and refuses."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from packaging.version import Version
from safetensors.torch import load_file, save_file

from lsg_convert import convert, verify
from lsg_convert.common.errors import RequestError
from lsg_convert.families import FAMILIES
from tests.close import assert_close
from tests.families.pairs import OPTIONS
from tests.tiny import FAMILIES as TINY
from tests.tiny import make_checkpoint, randomize

OPENING, MASK, LENGTH = 2, 4, 150
since_5 = pytest.mark.skipif(
    Version(transformers.__version__) < Version("5"), reason="rope parameters are those of 5.x"
)
# Every token attends to every other: up to two blocks, or as local and sparse tokens that are the tokens themselves.
DENSE = {"block_size": 256, "sparse_block_size": 256}
IN_WINDOWS = {"block_size": 16, "sparse_block_size": 160, "sparsity_factor": 1}
ROPE = {
    "full_attention": {"rope_type": "default", "rope_theta": 70.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 30.0},
}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "usual": ("modernbert", {}),
    "odd window": ("modernbert", {"local_attention": 9, "num_hidden_layers": 4, "global_attn_every_n_layers": 3}),
    "wide window": ("modernbert", {"local_attention": 64}),
    "biases": ("modernbert", {"attention_bias": True, "mlp_bias": True, "norm_bias": True}),
    "other bases": ("modernbert", {"rope_parameters": ROPE}),
    "layers of one kind": ("modernbert", {"global_attn_every_n_layers": 1}),
    "esm": ("esm", {}),
    "esm, norm first": ("esm", {"emb_layer_norm_before": True}),
    "esm, no token dropout": ("esm", {"token_dropout": False}),
    "esm, absolute": ("esm", {"position_embedding_type": "absolute"}),
    "esm-1b": ("esm", {"position_embedding_type": "absolute", "emb_layer_norm_before": True}),
}
HEADS = {"modernbert": "ModernBertForTokenClassification", "esm": "EsmForTokenClassification"}


def both(model_type: str, head: str, options: dict[str, Any], **values: Any) -> tuple[Any, Any]:
    """A random model of the library's, and ours with its weights, of which global 0 is the opening token."""
    family = FAMILIES[model_type]
    ids = {"pad_token_id": 1, "cls_token_id": OPENING, "vocab_size": 300, "max_position_embeddings": 512}
    config = {**TINY[model_type].config, **ids, **values}
    dense = getattr(transformers, head)(transformers.AutoConfig.for_model(model_type, **config))
    randomize(dense)
    module = import_module(f"lsg_convert.modeling.{family.modeling_file}")
    our_config = getattr(module, f"LSG{family.base_class.removesuffix('Model')}Config")
    given = {f"lsg_{name}" if name in family.own_fields else name: value for name, value in options.items()}
    settled = family.settled(config)
    ours = getattr(module, f"LSG{head}")(our_config(**{**config, **settled}, **given, opening_token_id=OPENING)).eval()
    missing, unexpected = ours.load_state_dict(dense.state_dict(), strict=False)
    # Frequencies have other names in some releases: of a new model they are what they are computed to be.
    others = {name for name in (*missing, *unexpected) if not name.endswith("inv_freq")}
    assert others == {name for name in missing if "global_embeddings" in name}
    embeddings = ours.base_model.embeddings
    with torch.no_grad():
        row = ours.base_model.get_input_embeddings().weight[OPENING].clone()
        if getattr(embeddings, "position_embedding_type", "") == "absolute":
            row += embeddings.position_embeddings.weight[2]
        embeddings.global_embeddings.weight[0] = row
    return dense, ours


def padded(length: int) -> dict[str, torch.Tensor]:
    """Texts that open as they do: a whole one, one with padding behind it and one with padding before it."""
    ids = torch.randint(10, 300, (3, length), generator=torch.Generator().manual_seed(0))
    ids[:, 0] = OPENING
    ids[:2, 5:9] = MASK
    mask = torch.ones_like(ids)
    mask[1, length * 2 // 3 :], mask[2, : length // 3] = 0, 0
    ids[mask == 0] = 1
    return {"input_ids": ids, "attention_mask": mask}


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("attends", [DENSE, IN_WINDOWS], ids=["dense", "in windows"])
@pytest.mark.parametrize("num_globals", [0, 1])
def test_where_it_attends_to_everything_it_is_the_librarys(
    variant: str, attends: dict[str, Any], num_globals: int
) -> None:
    (model_type, values), has = VARIANTS[variant], num_globals > 0
    options = {**attends, "num_global_tokens": num_globals, "mask_first_token": has, "pool_with_global": has}
    dense, ours = both(model_type, HEADS[model_type], options, **values)
    given = padded(LENGTH)
    kept = given["attention_mask"].bool()
    assert_close(ours(**given).logits[kept], dense(**given).logits[kept])


@torch.no_grad()
@since_5
@pytest.mark.parametrize("positions", ["rope-ntk", "rope-yarn", "rope-linear"])
def test_other_frequencies_are_the_librarys_too(positions: str, tmp_path: Path) -> None:
    source = make_checkpoint("modernbert", None, tmp_path / "source")
    wide = {"max_len": 128, "block_size": 64, "sparse_block_size": 64}
    result = convert(source, output=tmp_path / "lsg", positions=positions, **wide)
    assert result.plan.positions == positions and any("every length" in note for note in result.plan.notes)
    config = json.loads((tmp_path / "lsg" / "config.json").read_text())
    model_class = transformers.ModernBertForMaskedLM
    unchanged = model_class.from_pretrained(source).eval()
    dense = model_class.from_pretrained(source, rope_parameters=config["rope_parameters"]).eval()
    ours = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "lsg", trust_remote_code=True).eval()
    ids = torch.randint(5, 200, (2, 100), generator=torch.Generator().manual_seed(0))
    ids[:, 0] = ours.config.opening_token_id
    logits = ours(ids).logits
    assert_close(logits, dense(ids).logits)
    assert not torch.allclose(logits, unchanged(ids).logits, atol=1e-3)
    checks = {check["name"]: check["status"] for check in verify(tmp_path / "lsg").as_dict()["checks"]}
    assert checks["parity, as shipped"] == checks["parity, without globals"] == "not run"
    assert "failed" not in checks.values()
    with pytest.raises(RequestError, match="rescaled already" if positions != "rope-ntk" else "no such"):
        convert(tmp_path / "lsg", output=tmp_path / "longer", max_len=256, positions=positions)
        raise RequestError("no such")


def test_what_a_configuration_says_is_said_as_every_release_reads_it(tmp_path: Path) -> None:
    """Before 5.0 and since then the fields have other names."""
    found = []
    of_4 = {
        "global_rope_theta": 70.0, "local_rope_theta": None, "global_attn_every_n_layers": 2, "rope_parameters": None,
        "layer_types": None,
    }  # fmt: skip
    theta = {"rope_type": "default", "rope_theta": 70.0}
    of_5 = {
        "rope_parameters": {"full_attention": theta, "sliding_attention": theta},
        "layer_types": ["full_attention", "sliding_attention"],
    }
    for name, fields in (("4", of_4), ("5", of_5)):
        source = make_checkpoint("modernbert", None, tmp_path / name)
        path = source / "config.json"
        config = json.loads(path.read_text())
        for field in of_4:
            config.pop(field, None)
        path.write_text(json.dumps({**config, **{key: each for key, each in fields.items() if each or key[0] == "l"}}))
        convert(source, output=tmp_path / f"lsg-{name}", verify=False, **OPTIONS)
        config = json.loads((tmp_path / f"lsg-{name}" / "config.json").read_text())
        found.append({field: config[field] for field in ("rope_parameters", "layer_types", "global_rope_theta")})
        assert config["local_attention"] == 12 and config["lsg_local_attention"] == "block"
        assert config["local_rope_theta"] == 70.0
    assert found[0] == found[1]


@torch.no_grad()
@since_5
def test_marks_are_no_padding_for_heads_that_read_the_mask(tmp_path: Path) -> None:
    dense, ours = both("modernbert", "ModernBertForSequenceClassification", DENSE, classifier_pooling="mean")
    given = padded(LENGTH)
    marks = torch.zeros_like(given["input_ids"])
    marks[:, 7:20] = 1
    assert_close(ours(**given, global_attention_mask=marks).logits, dense(**given).logits)


@torch.no_grad()
def test_frequencies_that_are_stored_are_used(tmp_path: Path) -> None:
    """Published models have them rounded, under the names of releases before 5.6."""
    source = make_checkpoint("esm", None, tmp_path / "source")
    path = source / "model.safetensors"
    tensors = {name: value for name, value in load_file(path).items() if "inv_freq" not in name}
    rounded = (1 / 10_000 ** (torch.arange(0, 8, 2) / 8)).bfloat16().float() * 1.1
    for layer in range(2):
        tensors[f"esm.encoder.layer.{layer}.attention.self.rotary_embeddings.inv_freq"] = rounded.clone()
    save_file(tensors, path, metadata={"format": "pt"})
    convert(source, output=tmp_path / "lsg", **OPTIONS)
    ours = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "lsg", trust_remote_code=True).eval()
    dense = transformers.EsmForMaskedLM.from_pretrained(source).eval()
    ids = torch.randint(5, 60, (2, 30), generator=torch.Generator().manual_seed(0))
    assert_close(ours(ids).logits, dense(ids).logits)
    kept = load_file(tmp_path / "lsg" / "model.safetensors")
    assert all(torch.equal(kept[name], value) for name, value in tensors.items() if "inv_freq" in name)


@pytest.mark.parametrize(
    ("model_type", "values", "options", "says"),
    [
        ("modernbert", {"rope_parameters": {**ROPE, "full_attention": {"rope_type": "dynamic", "rope_theta": 9.0,
                        "factor": 2.0}}}, {}, "another kind than default, linear, yarn"),
        ("modernbert", {"rope_parameters": [1]}, {}, "has no fields for each kind"),
        ("modernbert", {"local_attention": "wide"}, {}, "local_attention in its config.json is no number"),
        ("modernbert", {"layer_types": ["full_attention"]}, {}, "does not name the kind of each layer"),
        ("modernbert", {"layer_types": ["full_attention", "linear"]}, {}, "some of its layers are linear"),
        ("modernbert", {}, {"positions": "rope-ntk", "max_len": 64}, "for a longer model"),
        ("esm", {"position_embedding_type": "relative_key"}, {}, "neither rotary nor absolute"),
        ("esm", {}, {"positions": "rope-yarn"}, "stored with its weights"),
        ("bert", {}, {"positions": "rope-yarn"}, "is for rotary positions"),
    ],
)  # fmt: skip
def test_what_is_refused(model_type: str, values: Any, options: Any, says: str, tmp_path: Path) -> None:
    source = make_checkpoint(model_type, None, tmp_path / "source")
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, **values}))
    with pytest.raises(RequestError, match=says):
        convert(source, output=tmp_path / "lsg", verify=False, **{**OPTIONS, **options})
