"""DeBERTa: the library's own outputs below the dense limit in every variant; what a conversion settles and refuses."""

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

from lsg_convert import convert
from lsg_convert.common.errors import RequestError
from lsg_convert.families import FAMILIES
from tests.close import assert_close
from tests.families.pairs import DENSE_LIMIT, OPTIONS
from tests.families.test_kernel import use_oracle
from tests.tiny import FAMILIES as TINY
from tests.tiny import make_checkpoint, randomize

# As dense as a model of blocks of 256 is, so that tables have distances that share rows, and beyond their end.
WIDE = {"block_size": 256, "sparse_block_size": 256}
NARROW = {"block_size": 16, "sparse_block_size": 16}
OPENING = 1
HEADS = {"deberta": "DebertaForTokenClassification", "deberta-v2": "DebertaV2ForTokenClassification"}
LENGTH = 500
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "v3": ("deberta-v2", {"position_buckets": 256, "max_relative_positions": 512, "conv_kernel_size": 0}),
    "v2-xlarge": ("deberta-v2", {"position_buckets": 256, "max_relative_positions": -1}),
    "own projections": ("deberta-v2", {"share_att_key": False}),
    "no buckets": ("deberta-v2", {"position_buckets": -1, "max_relative_positions": 30}),
    "c2p": ("deberta-v2", {"pos_att_type": ["c2p"], "share_att_key": False}),
    "p2c": ("deberta-v2", {"pos_att_type": "p2c", "share_att_key": False}),
    "no terms": ("deberta-v2", {"pos_att_type": []}),
    "p2p too": ("deberta-v2", {"pos_att_type": "p2c|c2p|p2p"}),
    "no distances": ("deberta-v2", {"relative_attention": False, "position_biased_input": True}),
    "absolute positions": ("deberta-v2", {"position_biased_input": True, "type_vocab_size": 2, "embedding_size": 16}),
    "wide convolution": ("deberta-v2", {"conv_kernel_size": 7, "conv_act": "tanh", "norm_rel_ebd": "none"}),
    "v1": ("deberta", {}),
    "v1, short table": ("deberta", {"max_relative_positions": 60}),
    "v1, c2p": ("deberta", {"pos_att_type": ["c2p"]}),
    "v1, p2c": ("deberta", {"pos_att_type": "p2c"}),
    "v1, no terms": ("deberta", {"pos_att_type": None}),
    "v1, p2p too": ("deberta", {"pos_att_type": "c2p|p2c|p2p"}),
    "v1, no distances": ("deberta", {"relative_attention": False, "position_biased_input": True}),
    "v1, absolute positions": ("deberta", {"position_biased_input": True, "type_vocab_size": 2, "embedding_size": 16}),
}


def both(model_type: str, head: str, options: dict[str, Any], **values: Any) -> tuple[Any, Any]:
    """A random model of the library's, and ours with its weights, of which global 0 is the opening token."""
    family = FAMILIES[model_type]
    config = {**TINY[model_type].config, "vocab_size": 300, "max_position_embeddings": 512, **values}
    dense = getattr(transformers, head)(transformers.AutoConfig.for_model(model_type, **config))
    randomize(dense)
    module = import_module(f"lsg_convert.modeling.{family.modeling_file}")
    our_config = getattr(module, f"LSG{family.base_class.removesuffix('Model')}Config")
    ours = getattr(module, f"LSG{head}")(our_config(**config, **options, opening_token_id=OPENING)).eval()
    missing, unexpected = ours.load_state_dict(dense.state_dict(), strict=False)
    assert not unexpected and all("global_embeddings" in name for name in missing)
    embeddings = ours.base_model.embeddings
    tables = [embeddings.word_embeddings.weight[OPENING]]
    tables += [
        table.weight[0]
        for table in (embeddings.position_embeddings, embeddings.token_type_embeddings)
        if table is not None
    ]
    with torch.no_grad():
        embeddings.global_embeddings.weight[0] = sum(tables)
    return dense, ours


def padded(length: int) -> dict[str, torch.Tensor]:
    """Two texts that open as they do; the second one has padding."""
    ids = torch.randint(10, 300, (2, length), generator=torch.Generator().manual_seed(0))
    ids[:, 0] = OPENING
    mask = torch.ones_like(ids)
    mask[1, length * 2 // 3 :] = 0
    return {"input_ids": ids, "attention_mask": mask}


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("num_globals", [0, 1])
def test_below_the_dense_limit_it_is_the_librarys(variant: str, num_globals: int) -> None:
    """Padding's outputs too, over which losses of the library's heads go."""
    (model_type, values), has = VARIANTS[variant], num_globals > 0
    options = {**WIDE, "num_global_tokens": num_globals, "mask_first_token": has, "pool_with_global": has}
    dense, ours = both(model_type, HEADS[model_type], options, **values)
    given = padded(LENGTH)
    assert_close(ours(**given).logits, dense(**given).logits)


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("selection", ["pooling", "stride"])  # equal words tie for the largest norm
def test_above_it_it_is_the_oracles(variant: str, selection: str) -> None:
    model_type, values = VARIANTS[variant]
    options = {**NARROW, "num_global_tokens": 3, "sparsity_type": selection}
    (_, ours), (_, wanted) = (both(model_type, HEADS[model_type], options, **values) for _ in range(2))
    wanted.load_state_dict(ours.state_dict())
    assert use_oracle(wanted) == 2
    given = padded(3 * DENSE_LIMIT)
    assert_close(ours(**given).logits, wanted(**given).logits)


@torch.no_grad()
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("model_type", ["deberta", "deberta-v2"])
def test_both_kinds_of_masked_language_model(model_type: str, legacy: bool) -> None:
    if not legacy and Version(transformers.__version__) < Version("5"):
        pytest.skip("the library ties the head's projection to the word embeddings, and fails")
    dense, ours = both(model_type, TINY[model_type].architecture, WIDE, legacy=legacy)
    given = padded(LENGTH)
    assert_close(ours(**given).logits, dense(**given).logits)


def test_what_follows_from_the_length_is_settled_before_that_changes(tmp_path: Path) -> None:
    source = make_checkpoint("deberta-v2", None, tmp_path / "source", max_relative_positions=-1)
    convert(source, output=tmp_path / "lsg", verify=False, **OPTIONS)
    config = json.loads((tmp_path / "lsg" / "config.json").read_text())
    assert config["max_relative_positions"] == 64 and config["max_position_embeddings"] == OPTIONS["max_len"]
    convert(tmp_path / "lsg", output=tmp_path / "longer", verify=False, max_len=256)
    longer = json.loads((tmp_path / "longer" / "config.json").read_text())
    assert longer["max_relative_positions"] == 64 and longer["max_position_embeddings"] == 256


def test_a_table_that_the_model_does_not_use_stays_behind(tmp_path: Path) -> None:
    source = make_checkpoint("deberta", None, tmp_path / "source")
    name = "deberta.embeddings.position_embeddings.weight"
    tensors = load_file(source / "model.safetensors") | {name: torch.zeros(64, 32)}
    save_file(tensors, source / "model.safetensors", metadata={"format": "pt"})
    convert(source, output=tmp_path / "lsg", verify=False, **OPTIONS)
    assert name not in load_file(tmp_path / "lsg" / "model.safetensors")


@pytest.mark.parametrize(
    ("model_type", "values", "options", "says"),
    [
        ("deberta", {"talking_head": True}, {}, "mix their scores"),
        ("deberta", {}, {"attention_backend": "flex"}, "depends on queries and keys"),
        ("deberta-v2", {}, {"attention_backend": "cpp"}, "depends on queries and keys"),
    ],
)
def test_what_is_refused(model_type: str, values: Any, options: Any, says: str, tmp_path: Path) -> None:
    source = make_checkpoint(model_type, None, tmp_path / "source", **values)
    with pytest.raises(RequestError, match=says):
        convert(source, output=tmp_path / "lsg", verify=False, **OPTIONS, **options)
