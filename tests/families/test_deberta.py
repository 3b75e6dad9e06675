"""DeBERTa: the library's own outputs below the dense limit in every variant; what a conversion settles and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from lsg_convert import convert
from lsg_convert.common.errors import RequestError
from tests.close import assert_close
from tests.families.pairs import DENSE_LIMIT, OPTIONS
from tests.families.test_kernel import use_oracle
from tests.tiny import make_checkpoint

# As dense as a model of blocks of 256 is, so that tables have distances that share rows, and beyond their end.
WIDE = {"max_len": 1024, "block_size": 256, "sparse_block_size": 256}
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
# 5.x renamed both heads and kept them apart by this field.
LEGACY = [("deberta", True), ("deberta", False), ("deberta-v2", True), ("deberta-v2", False)]


def both(source: Path, output: Path, auto_class: Any, **options: Any) -> tuple[Any, Any]:
    """The source's model and the converted one."""
    convert(source, output=output, verify=False, **options)
    own = transformers.AutoConfig.from_pretrained(source)
    named = getattr(transformers, own.architectures[0])
    return named.from_pretrained(source).eval(), auto_class.from_pretrained(output, trust_remote_code=True).eval()


def padded(length: int, vocabulary: int) -> dict[str, torch.Tensor]:
    """Two texts that open as they do; the second one has padding."""
    ids = torch.randint(10, vocabulary, (2, length), generator=torch.Generator().manual_seed(0))
    ids[:, 0] = 1
    mask = torch.ones_like(ids)
    mask[1, length * 2 // 3 :] = 0
    return {"input_ids": ids, "attention_mask": mask}


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
def test_below_the_dense_limit_it_is_the_librarys(variant: str, tmp_path: Path) -> None:
    """Padding's outputs too, over which losses of the library's heads go."""
    model_type, values = VARIANTS[variant]
    head = "DebertaForTokenClassification" if model_type == "deberta" else "DebertaV2ForTokenClassification"
    source = make_checkpoint(model_type, head, tmp_path / "source", max_positions=512, **values)
    auto_class = transformers.AutoModelForTokenClassification
    dense, ours = both(source, tmp_path / "lsg", auto_class, **WIDE)
    assert ours.config.num_global_tokens == 1
    given = padded(LENGTH, ours.config.vocab_size)
    assert_close(ours(**given).logits, dense(**given).logits)
    several = auto_class.from_pretrained(tmp_path / "lsg", trust_remote_code=True, num_global_tokens=0,
                                         mask_first_token=False).eval()  # fmt: skip
    assert_close(several(**given).logits, dense(**given).logits)


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
def test_above_it_it_is_the_oracles(variant: str, tmp_path: Path) -> None:
    model_type, values = VARIANTS[variant]
    source = make_checkpoint(model_type, None, tmp_path / "source", **values)
    _, ours = both(source, tmp_path / "lsg", transformers.AutoModel, **OPTIONS, num_global_tokens=3)
    wanted = transformers.AutoModel.from_pretrained(tmp_path / "lsg", trust_remote_code=True).eval()
    assert use_oracle(wanted) == 2
    given = padded(3 * DENSE_LIMIT, ours.config.vocab_size)
    assert len(given["input_ids"][0].unique()) < given["input_ids"].shape[1]
    for selection in ("pooling", "stride"):  # equal words tie for the largest norm
        for model in (ours, wanted):
            model.options = model.options.__class__(**{**vars(model.options), "sparsity_type": selection})
        assert_close(ours(**given)[0], wanted(**given)[0])


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "legacy"), LEGACY)
def test_both_kinds_of_masked_language_model(model_type: str, legacy: bool, tmp_path: Path) -> None:
    source = make_checkpoint(model_type, None, tmp_path / "source", legacy=legacy)
    dense, ours = both(source, tmp_path / "lsg", transformers.AutoModelForMaskedLM, **OPTIONS)
    given = padded(DENSE_LIMIT, ours.config.vocab_size)
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
    result = convert(source, output=tmp_path / "lsg", **OPTIONS)
    assert result.report is not None and result.report.passed
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
