"""What is copied from a source is what is known to be needed; nothing is read but what lies in it."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from lsg_convert import convert
from lsg_convert.cli.render import left_behind_fact
from lsg_convert.common.errors import LSGConvertError, RequestError
from lsg_convert.common.files import safe_file
from lsg_convert.conversion import inspect
from lsg_convert.folder.card import source_metadata
from lsg_convert.folder.tokenizer_settings import safe_special_tokens, safe_tokenizer_settings
from tests.security.conftest import OPTIONS, edit_json

SECRET = "the secret of another file"
STRANGERS = (
    "id_rsa", ".env", "token", "credentials.json", "train.csv", "optimizer.pkl", "training_args.bin", "evil.so",
    "evil.py", "evil.pyc", "notes.txt", "LICENSE.py", "preprocessor_config.json", "processor_config.json", "trainer.pt",
)  # fmt: skip


def _convert(source: Path, **options: Any) -> Any:
    return convert(source, output=source.parent / "out", verify=False, **OPTIONS, **options)


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


class TestStrangers:
    def test_stay_behind_and_are_named(self, source: Path) -> None:
        for name in STRANGERS:
            (source / name).write_text(json.dumps({"secret": SECRET}))
        (source / ".git").mkdir()
        (source / ".git" / "config").write_text(SECRET)
        (source / "LICENSE").write_text("You may.")
        result = _convert(source)
        assert not {*STRANGERS, ".git/config"} & _files(result.output)
        assert {*STRANGERS, ".git/"} <= result.left_behind.keys()
        assert (result.output / "LICENSE").read_text() == "You may."
        assert "id_rsa" not in (result.output / "lsg_conversion.json").read_text()
        assert result.as_dict()["left_behind"] == inspect(source, **OPTIONS).left_behind
        assert not any(SECRET in path.read_text("latin-1") for path in result.output.rglob("*") if path.is_file())

    def test_are_shown_by_reason(self) -> None:
        shown = left_behind_fact({**{f"file{n}": "no need" for n in range(10)}, "x": "evil"})["Left behind"]
        assert shown.endswith("file7 and 2 more (no need); x (evil)")
        assert left_behind_fact({}) == {}

    def test_a_sound_source_leaves_nothing_behind(self, source: Path) -> None:
        assert inspect(source, **OPTIONS).left_behind == {}

    @pytest.mark.parametrize("name", ["vocab.txt", "tokenizer.json", "spm.model", "special_tokens_map.json"])
    def test_of_a_known_name_are_refused_when_they_are_of_another_kind(self, name: str, source: Path) -> None:
        (source / name).write_bytes(b"\x7fELF\x02\x01\xff\xfe" + bytes(64))
        with pytest.raises(RequestError, match=name):
            _convert(source)
        assert not (source.parent / "out").exists()

    def test_a_licence_that_is_no_text_stays_behind(self, source: Path) -> None:
        (source / "LICENSE").write_bytes(b"\x7fELF" + bytes(64))
        (source / "NOTICE").write_bytes(b"a" * (2**20 + 1))
        result = _convert(source)
        assert {"LICENSE", "NOTICE"} <= result.left_behind.keys()


class TestSizes:
    @pytest.mark.parametrize("name", ["README.md", "modules.json", "LICENSE"])
    def test_a_file_of_30_gb_is_not_read_whole(self, name: str, source: Path) -> None:
        with (source / name).open("wb") as file:
            file.truncate(30 * 10**9)
        assert _convert(source).record is not None

    @pytest.mark.parametrize("name", ["vocab.txt", "tokenizer_config.json", "generation_config.json"])
    def test_one_that_is_needed_is_refused(self, name: str, source: Path) -> None:
        with (source / name).open("wb") as file:
            file.truncate(30 * 10**9)
        with pytest.raises(RequestError, match="larger than"):
            _convert(source)

    def test_a_pipe_is_refused_and_not_waited_for(self, source: Path) -> None:
        (source / "vocab.txt").unlink()
        os.mkfifo(source / "vocab.txt")
        with pytest.raises(RequestError, match="not a regular file"):
            _convert(source)


PATHS = ("/etc/hostname", "/proc/self/environ", "../secret.txt", "secret.txt")


class TestPathsInContent:
    @pytest.mark.parametrize("key", ["vocab", "vocab_file", "tokenizer_file", "merges_file", "merges", "spm_file"])
    def test_are_not_opened(self, key: str, source: Path) -> None:
        secret = source.parent / "secret.txt"
        secret.write_text(f"[UNK]\n[PAD]\n[CLS]\n[SEP]\n[MASK]\n{SECRET}\n")
        for name in ("tokenizer_config.json", "special_tokens_map.json"):
            edit_json(source / name, **{key: str(secret)}, init_inputs=[str(secret)], tokenizer_class="BertTokenizer")
        out = _convert(source).output
        for path in out.rglob("*"):
            assert path.is_dir() or (
                SECRET not in path.read_text("latin-1") and str(secret) not in path.read_text("latin-1")
            )

    @settings(max_examples=300, deadline=None)
    @given(
        st.dictionaries(
            st.sampled_from(["vocab", "x_file", "name_or_path", "sp_model_kwargs", "init_inputs", "errors", "a", "_b",
                             "cls_token", "extra_special_tokens", "never_split", "added_tokens_decoder"]),
            st.sampled_from([*PATHS, 3, True, None])
            | st.lists(st.sampled_from(PATHS))
            | st.dictionaries(st.sampled_from(["model_file", "content", "1"]), st.sampled_from(PATHS)),
        )
    )  # fmt: skip
    def test_no_key_that_is_opened_survives(self, given_settings: dict[str, Any]) -> None:
        for safe in (safe_tokenizer_settings(given_settings), safe_special_tokens(given_settings)):
            assert not {"vocab", "x_file", "name_or_path", "init_inputs", "_b"} & safe.keys()
            assert not {key for key, value in safe.items() if key == "a" and isinstance(value, str)}
            assert not safe.get("sp_model_kwargs")

    def test_ordinary_settings_survive(self) -> None:
        ordinary = {
            "model_max_length": 512, "do_lower_case": True, "strip_accents": None, "tokenizer_class": "BertTokenizer",
            "mask_token": {"content": "<mask>", "lstrip": True, "__type": "AddedToken"}, "cls_token": "[CLS]",
            "added_tokens_decoder": {"0": {"content": "[PAD]", "special": True, "lstrip": False}},
            "additional_special_tokens": ["<a>", "<b>"], "extra_ids": 100, "src_lang": "en_XX", "legacy": False,
            "sp_model_kwargs": {"alpha": 0.1}, "model_input_names": ["input_ids"], "chat_template": "{{ x }}",
            "clean_up_tokenization_spaces": False, "padding_side": "right",
        }  # fmt: skip
        assert safe_tokenizer_settings(ordinary) == ordinary


class TestLinks:
    def _cache(self, root: Path) -> tuple[Path, Path]:
        snapshot, blobs = root / "models--a--b" / "snapshots" / ("0" * 40), root / "models--a--b" / "blobs"
        snapshot.mkdir(parents=True)
        blobs.mkdir()
        (blobs / "abc").write_text("{}")
        return snapshot, blobs

    def test_of_the_hub_cache_are_followed(self, tmp_path: Path) -> None:
        snapshot, _ = self._cache(tmp_path)
        (snapshot / "config.json").symlink_to("../../blobs/abc")
        assert safe_file(snapshot, "config.json").read_text() == "{}"

    def test_of_a_cache_whose_blobs_are_a_link_are_not(self, tmp_path: Path) -> None:
        """snapshots/x → ../../blobs → / would make every file of the machine one of the model's."""
        snapshot, blobs = self._cache(tmp_path)
        blobs.rename(tmp_path / "elsewhere")
        blobs.symlink_to(tmp_path / "elsewhere")
        (snapshot / "config.json").symlink_to("../../blobs/abc")
        with pytest.raises(RequestError, match="leads out"):
            safe_file(snapshot, "config.json")

    @pytest.mark.parametrize("target", ["../../blobs/below/abc", "../../other", "../../blobs/out"])
    def test_to_anything_but_a_blob_are_not(self, target: str, tmp_path: Path) -> None:
        snapshot, blobs = self._cache(tmp_path)
        (blobs / "below").mkdir()
        (blobs / "below" / "abc").write_text("{}")
        (blobs.parent / "other").write_text("{}")
        (blobs / "out").symlink_to(tmp_path / "outside")
        (tmp_path / "outside").write_text("{}")
        (snapshot / "config.json").symlink_to(target)
        with pytest.raises(RequestError, match="leads out"):
            safe_file(snapshot, "config.json")

    def test_of_a_snapshots_folder_that_is_a_link_are_not(self, tmp_path: Path) -> None:
        snapshot, _ = self._cache(tmp_path)
        (snapshot / "config.json").symlink_to("../../blobs/abc")
        (tmp_path / "forged").mkdir()
        (tmp_path / "forged" / "snapshots").symlink_to(snapshot.parent)
        (tmp_path / "forged" / "blobs").mkdir()
        (tmp_path / "forged" / "blobs" / "evil").write_text(SECRET)
        (snapshot / "x.json").symlink_to(tmp_path / "forged" / "blobs" / "evil")
        with pytest.raises(RequestError, match="leads out"):
            safe_file(tmp_path / "forged" / "snapshots" / snapshot.name, "x.json")

    def test_a_card_that_is_a_link_out_is_not_read(self, source: Path) -> None:
        (source.parent / "secret.md").write_text(f"---\nlicense: {SECRET}\n---\n")
        (source / "README.md").symlink_to(source.parent / "secret.md")
        assert source_metadata(source) == {}
        assert SECRET not in (_convert(source).output / "README.md").read_text()

    @pytest.mark.parametrize("name", ["vocab.txt", "generation_config.json", "tokenizer_config.json"])
    def test_needed_files_that_are_links_out_are_refused(self, name: str, source: Path) -> None:
        (source.parent / "secret.txt").write_text(SECRET)
        (source / name).unlink(missing_ok=True)
        (source / name).symlink_to(source.parent / "secret.txt")
        with pytest.raises(LSGConvertError, match="leads out"):
            _convert(source)


KNOWN = "sentence_transformers.models."


def _modules(source: Path, *modules: tuple[str, str], **config: Any) -> None:
    listed = [{"idx": n, "name": str(n), "path": path, "type": kind} for n, (path, kind) in enumerate(modules)]
    (source / "modules.json").write_text(json.dumps(listed))
    for path, _ in modules:
        if path and "/" not in path and "." not in path:
            (source / path).mkdir(exist_ok=True)
            (source / path / "config.json").write_text(json.dumps(config))


class TestSentenceModules:
    def test_of_known_classes_travel(self, source: Path) -> None:
        _modules(source, ("", f"{KNOWN}Transformer"), ("1_Pooling", f"{KNOWN}Pooling"), pooling_mode_mean_tokens=True)
        (source / "sentence_bert_config.json").write_text(
            json.dumps({"max_seq_length": 64, "do_lower_case": False, "model_args": {"attn_implementation": "a/evil"}})
        )
        for name in (".DS_Store", "evil.so", "x.py"):
            (source / "1_Pooling" / name).write_text("evil")
        (source / "1_Pooling" / "__pycache__").mkdir()
        result = _convert(source)
        assert json.loads((result.output / "1_Pooling" / "config.json").read_text()) == {
            "pooling_mode_mean_tokens": True
        }
        assert json.loads((result.output / "sentence_bert_config.json").read_text()) == {
            "max_seq_length": OPTIONS["max_len"],
            "do_lower_case": False,
        }
        assert {path.name for path in (result.output / "1_Pooling").iterdir()} == {"config.json"}
        assert {"1_Pooling/.DS_Store", "1_Pooling/__pycache__/", "1_Pooling/evil.so"} <= result.left_behind.keys()

    @pytest.mark.parametrize("kind", ["attacker/evil--evil.Evil", "evil.Evil", "os.system", f"{KNOWN}Router", None, 3])
    def test_of_another_class_keep_all_of_them_behind(self, kind: Any, source: Path) -> None:
        _modules(source, ("", f"{KNOWN}Transformer"), ("1_Pooling", kind))
        result = _convert(source)
        assert not {name for name in _files(result.output) if "module" in name or "Pooling" in name} - {
            "modeling_lsg_bert.py"
        }
        assert "no module of sentence-transformers" in result.left_behind["modules.json"]

    @pytest.mark.parametrize(
        "path",
        ["README.md", "attention.png", "modeling_lsg_bert.py", "..", "/etc", ".", "1_a/../..", ".git", "config.json"],
    )
    def test_in_a_folder_that_is_not_theirs_stay_behind(self, path: str, source: Path) -> None:
        _modules(source, ("", f"{KNOWN}Transformer"), (path, f"{KNOWN}Pooling"))
        result = _convert(source)
        assert "like 1_Pooling" in result.left_behind["modules.json"]

    def test_an_activation_is_one_of_torch(self, source: Path) -> None:
        _modules(source, ("1_Dense", f"{KNOWN}Dense"), activation_function="os.system")
        assert "no activation" in _convert(source).left_behind["modules.json"]

    @pytest.mark.parametrize("kind", ["pytorch_model.bin", "model.safetensors"])
    def test_weights_travel_as_safetensors(self, kind: str, source: Path) -> None:
        weights = {"linear.weight": torch.randn(4, 32), "linear.bias": torch.zeros(4)}
        _modules(
            source, ("1_Dense", f"{KNOWN}Dense"), in_features=32, out_features=4,
            activation_function="torch.nn.modules.activation.Tanh",
        )  # fmt: skip
        path = source / "1_Dense" / kind
        save_file(weights, path) if kind.endswith("safetensors") else torch.save(weights, path)
        out = _convert(source).output / "1_Dense"
        assert {path.name for path in out.iterdir()} == {"config.json", "model.safetensors"}
        assert all(torch.equal(load_file(out / "model.safetensors")[name], value) for name, value in weights.items())
        assert json.loads((out / "config.json").read_text())["activation_function"].startswith("torch.nn")

    def test_weights_that_are_a_program_are_refused(self, source: Path, canary: str) -> None:
        class Evil:
            def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
                return exec, (canary,)

        _modules(source, ("1_Dense", f"{KNOWN}Dense"))
        (source / "1_Dense" / "pytorch_model.bin").write_bytes(pickle.dumps({"w": Evil()}))
        with pytest.raises(RequestError, match=r"more than tensors|not a sound"):
            _convert(source)
