"""Encoder-decoder pairs: the encoder inside is converted, the decoder is the library's and attends to the globals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSeq2SeqLM, AutoTokenizer, EncoderDecoderModel

from lsg_convert import convert
from lsg_convert.common.errors import RequestError
from lsg_convert.families import PAIRS, family_named
from tests.close import assert_close
from tests.families.test_kernel import use_oracle
from tests.tiny import make_checkpoint, make_pair
from tests.warm import lsg_convert, python

OPTIONS: dict[str, Any] = {"max_len": 256, "block_size": 16, "sparse_block_size": 16}
KINDS = [("bert", "bert"), ("roberta", "roberta"), ("bert-generation", "bert-generation"), ("mpnet", "bert")]


@pytest.fixture(scope="module", params=KINDS, ids="2".join)
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("pair")
    source = make_pair(*request.param, place / "source")
    convert(source, output=place / "lsg", verify=False, **OPTIONS)
    return source, place / "lsg"


def load(folder: Path, **options: Any) -> Any:
    """A converted pair, as a user loads it."""
    return AutoModelForSeq2SeqLM.from_pretrained(folder, trust_remote_code=True, **options).eval()


def inputs(length: int, opening: int | None = None) -> dict[str, torch.Tensor]:
    """Two texts, the second with padding, and what the decoder is given; the first one opens with `opening`, if any."""
    generator = torch.Generator().manual_seed(length)
    ids = torch.randint(10, 200, (2, length), generator=generator)
    if opening is not None:
        ids[0, 0] = opening
    mask = torch.ones_like(ids)
    mask[1, length - length // 4 :] = 0
    return {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": ids[:, 1:6].clone()}


@torch.no_grad()
def test_without_globals_it_is_the_source(folders: tuple[Path, Path]) -> None:
    source = EncoderDecoderModel.from_pretrained(folders[0]).eval()
    model = load(folders[1], num_global_tokens=0, mask_first_token=False)
    batch = inputs(30)
    assert_close(model(**batch).logits, source(**batch).logits)
    del batch["decoder_input_ids"]
    ours, expected = (each.generate(**batch, max_new_tokens=6).tolist() for each in (model, source))
    assert ours == expected


@torch.no_grad()
def test_above_the_dense_limit_it_is_the_oracle(folders: tuple[Path, Path]) -> None:
    for selection in ("pooling", "block_stride", "none"):
        blocks, dense = (load(folders[1], num_global_tokens=3, sparsity_type=selection) for _ in range(2))
        assert use_oracle(dense) == 2
        batch = inputs(77)
        assert_close(blocks(**batch).logits, dense(**batch).logits)


@torch.no_grad()
def test_the_decoder_attends_to_the_globals(folders: tuple[Path, Path]) -> None:
    """To global 0 and not to token 0, which it stands in for; the other way round in a text that does not open so."""
    model = load(folders[1], num_global_tokens=3, attn_implementation="eager")
    opening = model.config.opening_token_id
    batch = inputs(64, opening)
    output = model(**batch, output_attentions=True)
    assert output.encoder_last_hidden_state.shape[1] == 64 + 3
    attended = output.cross_attentions[0]
    assert attended.shape[-1] == 64 + 3
    assert (attended[0, ..., :3] > 0).all() and (attended[1, ..., 1:3] > 0).all()
    if opening is not None:
        assert attended[0, ..., 3].max() == 0 and attended[1, ..., 0].max() == 0
        assert (attended[1, ..., 3] > 0).all()
    assert attended[1, ..., 3 + 48 :].max() == 0  # padding
    without = load(folders[1], num_global_tokens=3, pass_global_tokens_to_decoder=False)
    assert without(**batch).encoder_last_hidden_state.shape[1] == 64


def test_nested_configuration(folders: tuple[Path, Path]) -> None:
    """Options stand at the top; lengths where the encoder's are; the decoder is left alone."""
    before, after = (json.loads((folder / "config.json").read_text()) for folder in folders)
    grown = after["encoder"]["max_position_embeddings"] - before["encoder"]["max_position_embeddings"]
    assert grown == OPTIONS["max_len"] - 64
    assert after["decoder"] == before["decoder"]
    assert after["block_size"] == 16 and after["model_type"].startswith("lsg-encoder-decoder-")
    assert load(folders[1], block_size=32).encoder.options.block_size == 32


@torch.no_grad()
def test_saved_again_and_trained(folders: tuple[Path, Path], tmp_path: Path) -> None:
    model = load(folders[1], num_global_tokens=1)
    model.save_pretrained(tmp_path / "again")
    again = load(tmp_path / "again")
    batch = inputs(100, model.config.opening_token_id)
    assert torch.equal(again(**batch).logits, model(**batch).logits)
    with torch.enable_grad():
        model.train()
        model(batch["input_ids"], batch["attention_mask"], labels=batch["decoder_input_ids"]).loss.backward()
    assert model.encoder.embeddings.global_embeddings.weight.grad[0].abs().max() > 0


def test_through_the_installed_command(tmp_path: Path) -> None:
    make_pair("bert", "bert", tmp_path / "bert2bert")
    done = lsg_convert("bert2bert", "--max-len", 256, "--block-size", 16, "--sparse-block-size", 16, cwd=tmp_path)
    assert done.code == 0, done.output
    code = (
        "import sys; from transformers import AutoModelForSeq2SeqLM, AutoTokenizer\n"
        "model = AutoModelForSeq2SeqLM.from_pretrained(sys.argv[1], trust_remote_code=True).eval()\n"
        "inputs = AutoTokenizer.from_pretrained(sys.argv[1])('the fog and the lamp ' * 40, return_tensors='pt')\n"
        "print(inputs.input_ids.shape[1] > 128, model.generate(**inputs, max_new_tokens=4, num_beams=2).shape[0])"
    )
    said = python(code, tmp_path / "lsg-bert2bert-256", cwd=tmp_path)
    assert said.stdout.split()[-2:] == ["True", "1"], said.output


@torch.no_grad()
def test_built_from_two_folders_then_converted(tmp_path: Path) -> None:
    """The library builds a pair of an LSG encoder; saved, it forgets the code, which converting it puts back."""
    bert = make_checkpoint("bert", "BertModel", tmp_path / "bert")
    convert(bert, output=tmp_path / "lsg-bert", verify=False, **OPTIONS)
    encoder = AutoModel.from_pretrained(tmp_path / "lsg-bert", trust_remote_code=True)
    built = EncoderDecoderModel.from_encoder_decoder_pretrained(None, str(bert), encoder_model=encoder).eval()
    assert type(built.encoder).__name__ == "LSGBertModel"
    assert built(**inputs(100)).logits.shape[:2] == (2, 5)

    built.save_pretrained(tmp_path / "built")
    AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path / "built")
    result = convert(tmp_path / "built", output=tmp_path / "pair", verify=False)
    assert result.plan.is_lsg_source
    assert (result.plan.max_len, result.plan.lsg.block_size) == (256, 16)
    pair = load(tmp_path / "pair", pass_global_tokens_to_decoder=False, mask_first_token=False)
    built.encoder.options = pair.options
    for module in built.encoder.modules():
        if hasattr(module, "options"):
            module.options = pair.options
    assert_close(pair(**inputs(100)).logits, built(**inputs(100)).logits)


@torch.no_grad()
def test_tied_halves_are_written_untied(tmp_path: Path) -> None:
    """As older checkpoints have it: pickled, encoder and decoder the same tensors."""
    source = make_pair("bert", "bert", tmp_path / "source", tie_encoder_decoder=True)
    tensors = load_file(source / "model.safetensors")
    tied = [name for name in tensors if name.replace("encoder.", "decoder.bert.", 1) in tensors]
    for name in tied:
        tensors[name] = tensors[name.replace("encoder.", "decoder.bert.", 1)]
    (source / "model.safetensors").unlink()
    torch.save(tensors, source / "pytorch_model.bin")
    convert(source, output=tmp_path / "lsg", verify=False, **OPTIONS)
    written = load_file(tmp_path / "lsg" / "model.safetensors")
    assert {*tensors} <= {*written} and len(tied) > 30
    positions = "embeddings.position_embeddings.weight"
    assert (written[f"encoder.{positions}"].shape[0], written[f"decoder.bert.{positions}"].shape[0]) == (256, 64)
    assert not json.loads((tmp_path / "lsg" / "config.json").read_text())["tie_encoder_decoder"]
    assert torch.isfinite(load(tmp_path / "lsg")(**inputs(100)).logits).all()


def test_every_family_without_a_decoder_can_be_an_encoder() -> None:
    assert {"encoder-decoder/bert", "encoder-decoder/mpnet"} <= {*PAIRS}
    assert not any(pair.inner is None or pair.inner.is_seq2seq for pair in PAIRS.values())
    assert all(family_named(name) is pair for name, pair in PAIRS.items())


@pytest.mark.parametrize(
    ("encoder", "says"),
    [("gpt2", "decoder only"), ("bart", "decoder of its own"), ("longt5", "already reaches far"), (None, "None")],
)
def test_an_encoder_that_cannot_be_converted(encoder: str | None, says: str, tmp_path: Path) -> None:
    source = make_pair("bert", "bert", tmp_path / "source")
    config = json.loads((source / "config.json").read_text())
    config["encoder"]["model_type"] = encoder
    (source / "config.json").write_text(json.dumps(config))
    with pytest.raises(RequestError, match="the encoder of this pair") as caught:
        convert(source, output=tmp_path / "out")
    assert says in caught.value.message
