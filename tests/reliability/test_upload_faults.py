"""Publishing when the network fails, and folders that are not published."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lsg_convert.folder.card import published_card
from tests.command import Run, lsg_convert
from tests.hub import Fault, LoopbackHub
from tests.hub.server import OTHER_TOKEN, READ_TOKEN, WRITE_TOKEN
from tests.reliability.conftest import assert_said_clearly, tree

Row = Callable[..., None]
LFS = r"PUT /_lfs/"
COMMIT = r"POST /api/models/.*/commit/"


def _push(hub: LoopbackHub, converted: Path, *arguments: str, token: str | None = WRITE_TOKEN, **variables: str) -> Run:
    environment = hub.environment(converted.parents[1] / "cache", token) | variables
    given = arguments or (converted.name, "me/lsg-tiny")
    return lsg_convert("push", *given, cwd=converted.parent, timeout=120, **environment)


def _assert_published(hub: LoopbackHub, converted: Path, repo_id: str = "me/lsg-tiny", revision: str = "main") -> None:
    there = hub.store.repositories[repo_id].files(revision)
    files = {path.relative_to(converted).as_posix() for path in converted.rglob("*") if path.is_file()}
    assert set(there) == files
    for name in files - {"README.md"}:
        assert hub.read(repo_id, name, revision) == (converted / name).read_bytes()
    card = published_card((converted / "README.md").read_text(encoding="utf-8"), repo_id)
    assert hub.read(repo_id, "README.md", revision).decode() == card


@pytest.mark.parametrize("tenth", range(10))
def test_reset_at_every_tenth(tenth: int, hub: LoopbackHub, converted: Path, row: Row) -> None:
    content = (converted / "model.safetensors").read_bytes()
    upload = f"/_lfs/{hashlib.sha256(content).hexdigest()}"  # large files go side by side, in no order
    hub.faults = [Fault(f"PUT {upload}", reset_at=len(content) * tenth // 10)]
    before = tree(converted)
    run = _push(hub, converted)
    assert run.code == 0, run.output
    assert len(hub.requests("PUT", upload)) == 2
    _assert_published(hub, converted)
    assert tree(converted) == before
    row("Upload", f"connection reset at {tenth * 10} % of the weights", run, "tried again, published whole")


RECOVERS = {
    "429 with Retry-After: 1, once": Fault("POST .*/preupload/", status=429, headers={"Retry-After": "1"}),
    "500 once, creating the repository": Fault("POST /api/repos/create", status=500),
    "503 once, uploading the weights": Fault(LFS, status=503),
    "500 once, at the commit": Fault(COMMIT, status=500),
    "connection reset in the middle of the commit": Fault(COMMIT, reset_at=500),
    "500 once, checking what arrived": Fault("POST .*/paths-info/", status=500),
}


@pytest.mark.parametrize("title", RECOVERS)
def test_recovers(title: str, hub: LoopbackHub, converted: Path, row: Row) -> None:
    fault = RECOVERS[title]
    fault.hits = 0
    hub.faults = [fault]
    run = _push(hub, converted)
    assert fault.hits and run.code == 0, run.output
    _assert_published(hub, converted)
    row("Upload", title, run, "tried again, published whole")


FAILS = {
    "500 for ever, at the commit": Fault(COMMIT, status=500, times=None),
    "connection reset at every commit": Fault(COMMIT, reset_at=100, times=None),
    "403 at the weights": Fault(LFS, status=403, times=None),
}


@pytest.mark.parametrize("title", FAILS)
def test_fails_and_goes_on_where_it_stopped(title: str, hub: LoopbackHub, converted: Path, row: Row) -> None:
    fault = FAILS[title]
    fault.hits = 0
    hub.faults = [fault]
    run = _push(hub, converted)
    assert_said_clearly(run, 3)
    assert hub.store.repositories["me/lsg-tiny"].files() == {}, "half a model was published"
    row("Upload", title, run)
    uploaded = any(hub.store.objects.iterdir())
    hub.faults, hub.seen[:] = [], []
    again = _push(hub, converted)
    assert again.code == 0, again.output
    _assert_published(hub, converted)
    assert bool(hub.requests("PUT", "/_lfs/")) is not uploaded, "what had arrived was uploaded again"


def test_an_answer_that_gets_lost(hub: LoopbackHub, converted: Path, row: Row) -> None:
    """The commit is made, the answer does not arrive: trying again changes nothing."""
    hub.faults = [Fault(COMMIT, truncate_at=0)]
    run = _push(hub, converted)
    assert run.code == 0, run.output
    _assert_published(hub, converted)
    assert len(hub.store.repositories["me/lsg-tiny"].commits) == 2  # the first, empty one, and ours
    row("Upload", "the answer to the commit is lost", run, "tried again: one commit, published whole")


def test_who_may_not_write(hub: LoopbackHub, converted: Path, tiny: Path, row: Row) -> None:
    for title, repo_id, token in (
        ("not logged in", "lsg-tiny", None),
        ("token that may only read", "me/lsg-tiny", READ_TOKEN),
        ("somebody else's account", "me/lsg-tiny", OTHER_TOKEN),
        ("token that the Hub does not know", "me/lsg-tiny", "hf_aTokenThatNobodyEverGaveOut0000"),
    ):
        run = _push(hub, converted, converted.name, repo_id, token=token)
        assert_said_clearly(run, 3)
        assert not hub.store.repositories
        row("Upload", title, run)


def test_offline(hub: LoopbackHub, converted: Path, row: Row) -> None:
    run = _push(hub, converted, HF_HUB_OFFLINE="1")
    assert_said_clearly(run, 3)
    row("Upload", "HF_HUB_OFFLINE=1", run)


def test_the_ways_to_push(hub: LoopbackHub, converted: Path) -> None:
    """Where one stands, who one is; again without a change; a branch; a pull request; private."""
    dry = _push(hub, converted, "--dry-run", "--json", token=None)
    assert dry.code == 0 and dry.json["dry_run"] and dry.json["files"]["model.safetensors"] > 0
    assert not hub.requests("POST", "")
    run = _push(hub, converted, "--json")
    assert run.code == 0, run.output
    assert run.json["url"] == f"{hub.url}/me/lsg-tiny" and run.json["commit"]
    _assert_published(hub, converted)
    assert _push(hub, converted, "--json").json["commit"] == run.json["commit"]
    (converted / "README.md").write_text((converted / "README.md").read_text() + "\nMore words.\n")
    pull = _push(hub, converted, "--create-pr", "--message", "words", "--json").json
    assert pull["pull_request"] == f"{hub.url}/me/lsg-tiny/discussions/1"
    _assert_published(hub, converted, revision="refs/pr/1")
    assert "More words" not in hub.read("me/lsg-tiny", "README.md").decode()
    assert hub.store.repositories["me/lsg-tiny"].messages[pull["commit"]] == "words"
    assert _push(hub, converted, "lsg-tiny", "me/lsg-tiny", "--revision", "dev").code == 0
    _assert_published(hub, converted, revision="dev")
    assert _push(hub, converted, "lsg-tiny", "me/secret", "--private").code == 0
    assert hub.store.repositories["me/secret"].private


def test_multipart(tmp_path: Path, converted: Path) -> None:
    with LoopbackHub(tmp_path / "multipart", multipart_size=50_000) as hub:
        hub.faults = [Fault(LFS + ".*/part/2", reset_at=1000)]
        run = _push(hub, converted)
        assert run.code == 0, run.output
        _assert_published(hub, converted)
        assert len(hub.requests("PUT", "/part/")) > 4


def test_files_that_do_not_belong_stay_here(hub: LoopbackHub, converted: Path) -> None:
    for name in (".env", "notes.txt", ".git/config", "__pycache__/x.pyc"):
        (converted / name).parent.mkdir(exist_ok=True)
        (converted / name).write_text("not for others")
    run = _push(hub, converted, "--json")
    assert run.code == 0 and run.json["left_out"] == ["notes.txt"], run.output
    assert b"not for others" not in b"".join(path.read_bytes() for path in hub.store.objects.iterdir())


def _edit_record(folder: Path, **values: object) -> None:
    path = folder / "lsg_conversion.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def _append(folder: Path) -> None:
    with (folder / "config.json").open("a") as file:
        file.write(" ")


def _flip(folder: Path) -> None:
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)


def _lead_out(folder: Path) -> None:
    record = json.loads((folder / "lsg_conversion.json").read_text())
    (folder.parent / "secret").write_text("secret")
    (folder / "secret").symlink_to("../secret")
    entry = {"size": 6, "sha256": "0" * 64}
    _edit_record(folder, files=record["files"] | {"secret": entry})


REFUSED: dict[str, Callable[[Path], object]] = {
    "weights missing": lambda folder: (folder / "model.safetensors").unlink(),
    "a code file missing": lambda folder: next(folder.glob("modeling_*.py")).unlink(),
    "a bit of the weights changed": _flip,
    "config.json changed": _append,
    "verification failed": lambda folder: _edit_record(
        folder, verification={"verdict": "failed", "level": "reach", "checks": []}
    ),
    "record that is not JSON": lambda folder: (folder / "lsg_conversion.json").write_text("{"),
    "record without hashes": lambda folder: _edit_record(folder, files=None),
    "record that names a file outside": lambda folder: _edit_record(
        folder, files={"../secret": {"size": 1, "sha256": "x"}}
    ),
    "record that names a link out of the folder": _lead_out,
    "no record": lambda folder: (folder / "lsg_conversion.json").unlink(),
    "no such folder": lambda folder: shutil.rmtree(folder),
}


@pytest.mark.parametrize("title", REFUSED)
def test_refused(title: str, hub: LoopbackHub, converted: Path, row: Row) -> None:
    REFUSED[title](converted)
    run = _push(hub, converted)
    assert_said_clearly(run, 2)
    assert not hub.seen, "asked the Hub before it looked at the folder"
    row("Push refused", title, run)


@pytest.mark.parametrize("title", ["a bit of the weights changed", "verification failed"])
def test_no_verify_overrides(title: str, hub: LoopbackHub, converted: Path) -> None:
    REFUSED[title](converted)
    run = _push(hub, converted, converted.name, "me/lsg-tiny", "--no-verify")
    assert run.code == 0, run.output
    _assert_published(hub, converted)


LINKED = ("README.md", "verification.png", "config.json", "lsg_conversion.json", "model.safetensors")


@pytest.mark.parametrize("name", LINKED)
def test_links_are_not_followed(name: str, hub: LoopbackHub, converted: Path, row: Row) -> None:
    """Neither to a secret nor, were it the same file, to the file that was meant; not with --no-verify either."""
    (converted / "verification.png").write_bytes(b"\x89PNG")
    for target in ("secret", "same"):
        (converted.parent / "same").write_bytes((converted / name).read_bytes())
        (converted.parent / "secret").write_text("-----BEGIN OPENSSH PRIVATE KEY-----")
        (converted / name).unlink()
        (converted / name).symlink_to(converted.parent / target)
        for options in ([], ["--no-verify"], ["--dry-run"]):
            run = _push(hub, converted, converted.name, "me/x", *options)
            assert_said_clearly(run, 2)
            assert "PRIVATE KEY" not in run.output
        assert not hub.seen
    row("Push refused", f"{name} that is a link out of the folder", run)


def test_a_linked_folder_is_not_entered(hub: LoopbackHub, converted: Path, row: Row) -> None:
    elsewhere = converted.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "config.json").write_text("{}")
    (converted / "1_Pooling").symlink_to(elsewhere)
    record = json.loads((converted / "lsg_conversion.json").read_text())
    entry = {"size": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}
    _edit_record(converted, files=record["files"] | {"1_Pooling/config.json": entry})
    for options in ([], ["--no-verify"]):
        run = _push(hub, converted, converted.name, "me/x", *options)
        assert_said_clearly(run, 2)
    assert not hub.seen
    row("Push refused", "a recorded file in a linked folder", run)


def test_a_folder_that_is_named_by_a_link(hub: LoopbackHub, converted: Path) -> None:
    (converted.parent / "latest").symlink_to(converted.name)
    run = _push(hub, converted, "latest", "me/lsg-tiny")
    assert run.code == 0, run.output
    _assert_published(hub, converted)


def test_no_verify_never_takes_more_than_the_record_names(hub: LoopbackHub, converted: Path, row: Row) -> None:
    (converted / "id_rsa").write_text("not for others")
    run = _push(hub, converted, converted.name, "me/lsg-tiny", "--no-verify", "--json")
    assert run.code == 0 and run.json["left_out"] == ["id_rsa"], run.output
    assert "id_rsa" not in hub.store.repositories["me/lsg-tiny"].files()
    row("Upload", "--no-verify, and a file that the record does not name", run, "published without it, and said so")


def test_which_folder(hub: LoopbackHub, converted: Path, row: Row) -> None:
    shutil.copytree(converted, converted.parent / "deep" / "lsg-second")
    run = _push(hub, converted, "--dry-run")
    assert_said_clearly(run, 2)
    assert "./lsg-tiny" in run.stderr and "./deep/lsg-second" in run.stderr
    row("Push refused", "two converted folders to choose from", run)
    empty = converted.parent / "empty"
    empty.mkdir()
    run = lsg_convert("push", cwd=empty, **hub.environment(converted.parents[1] / "cache"))
    assert_said_clearly(run, 2)
    row("Push refused", "no converted folder anywhere", run)


def test_requests_that_make_no_sense(hub: LoopbackHub, converted: Path, row: Row) -> None:
    run = _push(hub, converted, converted.name, "me/a/b")
    assert_said_clearly(run, 2)
    row("Push refused", "a repository name that cannot be", run)
    run = _push(hub, converted, converted.name, "me/x", "--create-pr", "--revision", "dev")
    assert_said_clearly(run, 2)
    row("Push refused", "--create-pr with --revision", run)
    assert not hub.seen
    hub.add("me/public", {"a": b"b"})
    run = _push(hub, converted, converted.name, "me/public", "--private")
    assert_said_clearly(run, 2)
    assert not hub.requests("PUT", "") and set(hub.store.repositories["me/public"].files()) == {"a"}
    row("Push refused", "--private, but the repository exists and is public", run)


def test_the_token_stays_with_the_hub(hub: LoopbackHub, converted: Path) -> None:
    assert _push(hub, converted).code == 0
    assert not any(WRITE_TOKEN in path.read_text(errors="replace") for path in converted.rglob("*") if path.is_file())
    assert os.environ.get("HF_TOKEN") != WRITE_TOKEN
