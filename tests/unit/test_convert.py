"""The conversion, on tiny checkpoints: what is written, tensor by tensor."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lsg_convert import convert
from lsg_convert.common.errors import RequestError
from lsg_convert.families import FAMILIES

Checkpoint = Callable[..., Path]
FIVE = ["bert", "roberta", "camembert", "xlm-roberta", "bart"]


def config(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text())


def rewrite_config(folder: Path, **changes: Any) -> None:
    values = config(folder) | changes
    (folder / "config.json").write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


@pytest.fixture
def source(checkpoint: Checkpoint, tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of tiny checkpoints that a test may change."""
    import shutil

    def make(*args: Any, **options: Any) -> Path:
        return Path(shutil.copytree(checkpoint(*args, **options), tmp_path / "source"))

    return make


@pytest.mark.parametrize("model_type", FIVE)
def test_untouched_tensors_are_the_sources_bytes(checkpoint: Checkpoint, tmp_path: Path, model_type: str) -> None:
    folder = checkpoint(model_type)
    result = convert(folder, max_len=256, block_size=16, sparse_block_size=16, output=tmp_path / "out", verify=False)
    before, after = load_file(folder / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    family = FAMILIES[model_type]
    touched = {result.plan.layout.name(table.tensor) for table in family.positions}
    assert set(after) - set(before) == {result.plan.layout.global_embeddings}
    assert set(before) - set(after) <= {result.plan.layout.name(name) for name in family.obsolete_tensors}
    for name in before.keys() & after.keys() - touched:
        assert torch.equal(before[name], after[name]), name
    for name in touched:
        assert torch.equal(before[name], after[name][: len(before[name])]), name


@pytest.mark.parametrize("model_type", ["roberta", "bart"])
def test_offsets_before_position_0_are_respected(checkpoint: Checkpoint, tmp_path: Path, model_type: str) -> None:
    folder = checkpoint(model_type, max_positions=64)
    result = convert(folder, max_len=200, output=tmp_path / "out", verify=False)
    name = result.plan.layout.name(FAMILIES[model_type].positions[0].tensor)
    before = load_file(folder / "model.safetensors")[name]
    after = load_file(tmp_path / "out" / "model.safetensors")[name]
    assert before.shape[0] == 66
    assert after.shape[0] == 202
    assert torch.equal(after[66], before[3])  # position 64 takes the row of position 1
    assert torch.equal(after[66 + 62], before[65])
    assert torch.equal(after[66 + 63], before[3])


def test_the_config_keeps_the_sources_fields(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = checkpoint("roberta")
    convert(folder, max_len=256, num_global_tokens=7, sparsity_type="pooling", output=tmp_path / "out", verify=False)
    before, after = config(folder), config(tmp_path / "out")
    assert after["model_type"] == "lsg-roberta"
    assert after["max_position_embeddings"] == 256 + before["pad_token_id"] + 1
    assert after["num_global_tokens"] == 7
    assert after["sparsity_type"] == "pooling"
    ours = {"architectures", "max_position_embeddings", "model_type"}
    assert {key: after[key] for key in before.keys() - ours} == {key: before[key] for key in before.keys() - ours}


def test_dtype_casts_every_float_and_nothing_else(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = checkpoint("bert")
    convert(folder, max_len=128, dtype="bfloat16", output=tmp_path / "out", verify=False)
    before, after = load_file(folder / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert {tensor.dtype for tensor in after.values()} == {torch.bfloat16}
    name = "bert.encoder.layer.0.output.dense.weight"
    assert torch.equal(after[name], before[name].to(torch.bfloat16))


def test_bin_shards_and_old_names_give_the_same_weights(source: Callable[..., Path], tmp_path: Path) -> None:
    folder = source("bert")
    convert(folder, max_len=128, output=tmp_path / "one", verify=False)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in tensors.items()
    }
    names = sorted(old)
    index: dict[str, str] = {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        file = f"pytorch_model-{number:05d}-of-00002.bin"
        torch.save({name: old[name] for name in part}, folder / file)
        index |= dict.fromkeys(part, file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    convert(folder, max_len=128, output=tmp_path / "two", verify=False)
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_tied_tensors_of_a_pickle_are_written_once(source: Callable[..., Path], tmp_path: Path) -> None:
    folder = source("bart")
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    words = tensors["model.shared.weight"]
    tied = ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight")
    # Whichever comes first in the file, the family's own name is the one that is kept.
    torch.save({**dict.fromkeys((*tied, "model.shared.weight"), words), **tensors}, folder / "pytorch_model.bin")
    convert(folder, max_len=128, output=tmp_path / "out", verify=False)
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert torch.equal(written["model.shared.weight"], words)
    assert not written.keys() & set(tied)


def test_shards_above_the_size(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = checkpoint("bart")
    convert(folder, max_len=128, max_shard_size="20KB", output=tmp_path / "out", verify=False)
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 1
    result = convert(folder, max_len=128, output=tmp_path / "whole", verify=False)
    model, _ = result.load()
    other = type(model).from_pretrained(tmp_path / "out")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_architectures_missing_or_wrong(source: Callable[..., Path], tmp_path: Path) -> None:
    folder = source("bert", "BertForQuestionAnswering")
    for number, given in enumerate((None, ["RobertaForMaskedLM"], ["Nonsense"])):
        rewrite_config(folder, architectures=given)
        result = convert(folder, max_len=128, output=tmp_path / str(number), dry_run=True)
        assert result.plan.architecture == "BertForQuestionAnswering"
        assert result.plan.notes


def test_bare_keys_and_another_head(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A base checkpoint as MaskedLM, and a MaskedLM checkpoint as base: the shared weights load either way."""
    base, head = checkpoint("bert", "BertModel"), checkpoint("bert", "BertForMaskedLM")
    convert(base, max_len=128, architecture="BertForMaskedLM", output=tmp_path / "a", verify=False)
    result = convert(head, max_len=128, architecture="BertModel", output=tmp_path / "b", verify=False)
    from transformers import AutoModelForMaskedLM

    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "a", trust_remote_code=True)
    words = load_file(base / "model.safetensors")["embeddings.word_embeddings.weight"]
    assert torch.equal(model.get_input_embeddings().weight, words)
    model, _ = result.load()
    words = load_file(head / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    assert torch.equal(model.get_input_embeddings().weight, words)


def test_an_lsg_source_keeps_weights_globals_and_settings(checkpoint: Checkpoint, tmp_path: Path) -> None:
    options = {"max_len": 128, "block_size": 16, "sparse_block_size": 32, "num_global_tokens": 3, "verify": False}
    first = convert(checkpoint("roberta"), output=tmp_path / "first", sparsity_type="stride", **options)
    again = convert(tmp_path / "first", output=tmp_path / "again", verify=False)
    assert again.plan.max_len == 128
    opening = again.plan.lsg.opening_token_id  # known once the tokenizer has been read
    assert opening is not None and again.plan.lsg == replace(first.plan.lsg, opening_token_id=opening)
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("first", "again"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    longer = convert(tmp_path / "first", max_len=512, output=tmp_path / "longer", verify=False)
    assert longer.plan.max_len == 512
    after = load_file(tmp_path / "longer" / "model.safetensors")
    name = longer.plan.layout.global_embeddings
    assert torch.equal(before[name], after[name])


def test_global_init_on_an_lsg_source(checkpoint: Checkpoint, tmp_path: Path) -> None:
    convert(checkpoint("bert"), max_len=128, output=tmp_path / "first", verify=False)
    name = "bert.embeddings.global_embeddings.weight"
    tensors = load_file(tmp_path / "first" / "model.safetensors")
    tensors[name][0] += 1  # as training would
    save_file(tensors, tmp_path / "first" / "model.safetensors", {"format": "pt"})
    convert(tmp_path / "first", global_init="random", output=tmp_path / "all", verify=False)
    convert(
        tmp_path / "first", global_init="random", keep_first_global_token=True, output=tmp_path / "kept", verify=False
    )
    replaced = load_file(tmp_path / "all" / "model.safetensors")[name]
    kept = load_file(tmp_path / "kept" / "model.safetensors")[name]
    assert not torch.equal(replaced[0], tensors[name][0])
    assert torch.equal(kept[0], tensors[name][0])
    assert torch.equal(kept[1:], replaced[1:])
    assert not torch.equal(kept[1:], tensors[name][1:])


def test_two_conversions_are_the_same_bytes(checkpoint: Checkpoint, tmp_path: Path) -> None:
    for name in ("a", "b"):
        convert(checkpoint("bert"), max_len=128, global_init="random", output=tmp_path / name, verify=False)
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()


def test_auxiliary_files_travel_with_raised_limits(source: Callable[..., Path], tmp_path: Path) -> None:
    folder = source("bert", "BertModel")
    (folder / "modules.json").write_text(
        json.dumps(
            [
                {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                {"idx": 1, "name": "1", "path": "1_Dense", "type": "sentence_transformers.models.Dense"},
            ]
        )
    )
    (folder / "1_Dense").mkdir()
    save_file({"linear.weight": torch.ones(2, 3)}, folder / "1_Dense" / "model.safetensors")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 64, "do_lower_case": false}')
    (folder / "evil.py").write_text("raise SystemExit")
    (folder / "tf_model.h5").write_bytes(b"other framework")
    convert(folder, max_len=256, output=tmp_path / "out", verify=False)
    out = tmp_path / "out"
    module = Path("1_Dense", "model.safetensors")
    assert (out / module).read_bytes() == (folder / module).read_bytes()
    assert json.loads((out / "sentence_bert_config.json").read_text()) == {
        "max_seq_length": 256,
        "do_lower_case": False,
    }
    assert json.loads((out / "tokenizer_config.json").read_text())["model_max_length"] == 256
    assert not (out / "evil.py").exists()
    assert not (out / "tf_model.h5").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_len": 32}, "below the source's own 64"),
        ({"max_len": 2**21}, "max-len"),
        ({"block_size": 16, "sparsity_factor": 3}, "sparsity_factor"),
        ({"num_global_tokens": 513}, "num_global_tokens"),
        ({"sparsity_type": "magic"}, "sparsity_type"),
        ({"architecture": "BartModel"}, "architecture"),
        ({"dtype": "int8"}, "dtype"),
        ({"max_shard_size": "many"}, "max-shard-size"),
        ({"positions": "stretch"}, "positions"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_wrong_requests_name_what_is_wrong(
    checkpoint: Checkpoint, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        convert(checkpoint("bert"), output=tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_decoder_checkpoint_is_refused(source: Callable[..., Path], tmp_path: Path) -> None:
    folder = source("bert")
    rewrite_config(folder, is_decoder=True)
    with pytest.raises(RequestError, match="is a decoder"):
        convert(folder, output=tmp_path / "out")


def test_default_names(checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert convert(checkpoint("bert"), max_len=128, verify=False).output == tmp_path / "lsg-tiny-bert-128"
    assert convert("lsg-tiny-bert-128", max_len=512, dry_run=True).output == tmp_path / "lsg-tiny-bert-512"


def test_importing_the_package_loads_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, lsg_convert; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
