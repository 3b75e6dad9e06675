"""LongLM, a Chinese T5: its sentencepiece tokenizer, inputs far over 512 tokens, infilling and top-p sampling."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.close import assert_close
from tests.tiny import save_random
from tests.warm import lsg_convert, python

sentencepiece = pytest.importorskip("sentencepiece", reason="needs the sentencepiece extra")

LINES = (
    "从前有一座山,山上有一座庙,庙里有一个老和尚在讲故事。",
    "小男孩听完故事以后,决定自己去森林里寻找那只会说话的狐狸。",
    "天黑了,月亮升起来,河边的树影慢慢变长,远处传来了狗叫声。",
    "他走了很久很久,终于在一间小木屋的门口看见了一盏灯。",
    "老婆婆打开门,笑着说:孩子,你一定饿了吧,快进来喝一碗热汤。",
    "第二天早上,太阳照在窗台上,狐狸已经坐在院子里等他了。",
    "它说:如果你想回家,就沿着这条路一直往前走,不要回头。",
    "男孩谢过狐狸,背上书包,唱着歌走上了回家的路。",
)
# The shape of the original: 6 to 32 layers, 512 to 1536 wide, heads 64 wide whatever the width.
SHAPE = {
    "d_model": 48, "d_kv": 8, "d_ff": 64, "num_heads": 4, "num_layers": 2, "num_decoder_layers": 3,
    "decoder_start_token_id": 0, "n_positions": 512, "feed_forward_proj": "relu",
}  # fmt: skip
SENTINELS = 100


def make_longlm(folder: Path) -> Path:
    """Write a tiny checkpoint with a unigram model trained on the lines, and nothing but `spiece.model` beside it."""
    from transformers import T5Config, T5ForConditionalGeneration

    folder.mkdir(parents=True)
    (folder / "lines.txt").write_text("\n".join(LINES), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "lines.txt"), model_prefix=str(folder / "spiece"), model_type="unigram", vocab_size=180,
        character_coverage=1.0, hard_vocab_limit=False, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2,
    )  # fmt: skip
    for name in ("lines.txt", "spiece.vocab"):
        (folder / name).unlink()
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model")).get_piece_size()
    config = {"tokenizer_class": "T5Tokenizer", "extra_ids": SENTINELS, "model_max_length": 512, "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    save_random(T5ForConditionalGeneration(T5Config(vocab_size=pieces + SENTINELS, **SHAPE)), folder)
    # As the original names it.
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["T5WithLMHeadModel"]}))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("longlm")
    source = make_longlm(place / "longlm-tiny")
    done = lsg_convert(source, "--max-len", 2048, "--block-size", 32, "--sparse-block-size", 32, cwd=place)
    assert done.code == 0, done.output
    return source, place / "lsg-longlm-tiny-2048"


def test_config_and_record_say_the_length(folders: tuple[Path, Path]) -> None:
    source, folder = folders
    config, record = (json.loads((folder / name).read_text()) for name in ("config.json", "lsg_conversion.json"))
    assert config["architectures"] == ["LSGT5ForConditionalGeneration"]
    assert config["n_positions"] == record["max_len"] == 2048
    assert record["source_max_len"] == 512
    assert config["mask_first_token"] is config["pool_with_global"] is False
    assert json.loads((folder / "tokenizer_config.json").read_text())["model_max_length"] == 2048
    assert (folder / "spiece.model").read_bytes() == (source / "spiece.model").read_bytes()


GENERATE = """
import json, sys, torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
model = AutoModelForSeq2SeqLM.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
inputs = tokenizer(sys.argv[2], truncation=True, return_tensors="pt")
torch.manual_seed(0)
sampled = model.generate(**inputs, do_sample=True, top_p=0.9, max_new_tokens=12)
beams = model.generate(**inputs, num_beams=3, max_new_tokens=6)
sentinel = tokenizer.convert_tokens_to_ids("<extra_id_1>")
print(json.dumps({
    "length": inputs.input_ids.shape[1], "sampled": sampled.tolist(), "beams": beams.tolist(), "sentinel": sentinel,
    "has_sentinel": sentinel in inputs.input_ids[0].tolist(), "vocabulary": model.config.vocab_size,
    "states": list(model.get_encoder()(**inputs)[0].shape),
}))
"""


def test_infills_a_long_text_in_a_fresh_process(folders: tuple[Path, Path]) -> None:
    text = "".join(LINES) * 2 + "<extra_id_1>" + "".join(LINES) * 8
    done = python(GENERATE, folders[1], text, cwd=folders[1].parent)
    assert done.code == 0, done.output
    said = json.loads(done.stdout.splitlines()[-1])
    assert 1024 < said["length"] <= 2048
    assert said["has_sentinel"]
    assert said["states"] == [1, said["length"], 48]  # there are no globals by default
    for row in (*said["sampled"], *said["beams"]):
        assert row[0] == 0 and len(row) > 3
        assert max(row) < said["vocabulary"]


@torch.no_grad()
def test_without_globals_short_texts_are_the_sources(folders: tuple[Path, Path]) -> None:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, T5ForConditionalGeneration

    source = T5ForConditionalGeneration.from_pretrained(folders[0]).eval()
    model = AutoModelForSeq2SeqLM.from_pretrained(folders[1], trust_remote_code=True, num_global_tokens=0).eval()
    tokenizer = AutoTokenizer.from_pretrained(folders[1])
    texts = [LINES[0].replace("庙里", "<extra_id_1>"), LINES[3][:6]]
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    assert inputs["input_ids"].shape[1] <= 64
    labels = tokenizer(["<extra_id_1>" + LINES[1][:4]] * 2, return_tensors="pt").input_ids
    ours, expected = model(**inputs, labels=labels), source(**inputs, labels=labels)
    assert_close(ours.logits, expected.logits)
    assert (
        model.generate(**inputs, max_new_tokens=8).tolist()
        == source.generate(
            **inputs,
            max_new_tokens=8,
            use_cache=False,  # with one, releases since 4.57 forget the decoder has more layers
        ).tolist()
    )
