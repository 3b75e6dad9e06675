"""A source that is broken or means harm is refused with a clear sentence, whatever it tries."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from lsg_convert.common.errors import LSGConvertError, RequestError
from lsg_convert.common.files import is_plain_relative, printable, safe_file
from lsg_convert.sources.checkpoint import Checkpoint
from tests.reliability.hostile import CANARY, CASES, header_file, tensor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound folder with one tensor."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    header_file(folder / "model.safetensors", {"w": tensor()}, bytes(16))
    return folder


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.reader_refuses])
def test_refused(name: str, folder: Path) -> None:
    case = CASES[name]
    case.build(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(LSGConvertError, match=case.match) as caught:
        Checkpoint.open(folder)
    assert caught.value.exit_code == case.exit_code
    assert caught.value.message.isprintable() and (caught.value.hint or "").isprintable()
    assert not (folder.parent / CANARY).exists(), "code from the source was run"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600 * 1024, "took memory before it looked"


def test_sound_folder_opens(folder: Path) -> None:
    assert list(Checkpoint.open(folder).tensors) == ["w"]


def test_hub_cache_links_are_followed(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "models--me--it"
    snapshot, blobs = cache / "snapshots" / "abc", cache / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for path in folder.iterdir():
        path.rename(blobs / f"hash-{path.name}")
        (snapshot / path.name).symlink_to(f"../../blobs/hash-{path.name}")
    assert list(Checkpoint.open(snapshot).tensors) == ["w"]
    (tmp_path / "secret.json").write_text("{}")
    (snapshot / "tokenizer.json").symlink_to("../../../secret.json")
    with pytest.raises(RequestError, match="leads out"):
        safe_file(snapshot, "tokenizer.json")


def test_links_within_the_folder_are_followed(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "weights.dat")
    (folder / "model.safetensors").symlink_to("weights.dat")
    assert list(Checkpoint.open(folder).tensors) == ["w"]


def test_the_folder_itself_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    assert list(Checkpoint.open(tmp_path / "link").tensors) == ["w"]


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../x", "a\\x", "C:x", "a\nb", "a\x00b", "..", "a/.."])
def test_names_that_lead_elsewhere(name: str) -> None:
    assert not is_plain_relative(name)


@pytest.mark.parametrize("name", ["x", "1_Pooling/config.json", "model-00001-of-00002.safetensors", "..x", "né"])
def test_plain_names(name: str) -> None:
    assert is_plain_relative(name)


def test_printable_escapes_and_cuts() -> None:
    assert printable("a\n\x1b[31m\u202eb\ud800") == "a\\n\\x1b[31m\\u202eb\\ud800"
    assert len(printable("x" * 500)) == 120
    assert printable("déjà vu …") == "déjà vu …"
