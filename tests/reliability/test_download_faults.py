"""A Hub and a network that fail while a source is downloaded: the client goes on, or says what to do next."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import Run, lsg_convert
from tests.hub import Fault, LoopbackHub
from tests.hub.server import OTHER_TOKEN, WRITE_TOKEN
from tests.reliability.conftest import LENGTHS, assert_said_clearly, tree

Row = Callable[..., None]
WEIGHTS = r"GET /_cdn/.*/model\.safetensors"
QUICK = {"HF_HUB_ETAG_TIMEOUT": "2", "HF_HUB_DOWNLOAD_TIMEOUT": "2"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir(exist_ok=True)
    return tmp_path / "work"


def _inspect(hub: LoopbackHub, place: Path, *arguments: str, token: str | None = None, **variables: str) -> Run:
    """Download and plan; writes nothing but the cache, which lies beside `place`."""
    environment = hub.environment(place.parent / "cache", token) | QUICK | variables
    return lsg_convert("inspect", *(arguments or ("me/tiny",)), cwd=place, timeout=120, **environment)


def _assert_whole(place: Path, tiny: Path) -> None:
    """The cache has the source's weights, byte for byte, and nothing is half there."""
    cache = place.parent / "cache"
    (snapshot,) = (cache / "hub" / "models--me--tiny" / "snapshots").iterdir()
    assert (snapshot / "model.safetensors").read_bytes() == (tiny / "model.safetensors").read_bytes()
    assert not list(cache.rglob("*.incomplete"))


@pytest.mark.parametrize("tenth", range(10))
def test_reset_at_every_tenth(tenth: int, hub: LoopbackHub, place: Path, tiny: Path, row: Row) -> None:
    hub.add("me/tiny", tiny)
    size = (tiny / "model.safetensors").stat().st_size
    hub.faults = [Fault(WEIGHTS, reset_at=size * tenth // 10)]
    run = _inspect(hub, place)
    assert run.code == 0, run.output
    _assert_whole(place, tiny)
    first, *again = hub.requests("GET", "/_cdn/")
    assert first.range is None and again, "the download was not tried again"
    assert not any(seen.token for seen in hub.seen if seen.host == "localhost")
    row("Network", f"connection reset at {tenth * 10} % of the weights", run, "tried again, went on, whole")


RECOVERS = {
    "429 with Retry-After: 1, once": Fault("GET /api/models", status=429, headers={"Retry-After": "1"}),
    "429 with Retry-After: 1 for the weights, once": Fault(WEIGHTS, status=429, headers={"Retry-After": "1"}),
    "500 once, asked for the list of files": Fault("GET /api/models", status=500),
    "500 once, asked for a file": Fault("(HEAD|GET) .*/config.json", status=500),
    "503 once, asked for the weights": Fault(WEIGHTS, status=503),
    "body of the weights cut short once": Fault(WEIGHTS, truncate_at=50_000),
    "body of config.json cut short once": Fault("GET .*/resolve/.*config.json", truncate_at=10),
    "server that sends 200 kB a second": Fault(WEIGHTS, bytes_per_second=200_000, times=None),
    "server that takes 4 s to answer, once (the client waits 2 s)": Fault(WEIGHTS, delay=4),
}


@pytest.mark.parametrize("title", RECOVERS)
def test_recovers(title: str, hub: LoopbackHub, place: Path, tiny: Path, row: Row) -> None:
    hub.add("me/tiny", tiny)
    fault = RECOVERS[title]
    fault.hits = 0
    hub.faults = [fault]
    run = _inspect(hub, place)
    assert fault.hits and run.code == 0, run.output
    _assert_whole(place, tiny)
    row("Network", title, run, "tried again, whole" if fault.times else "waited, whole")


FAILS = {
    "500 for ever, asked for the list of files": Fault("GET /api/models", status=500, times=None),
    "500 for ever, asked for the weights": Fault(WEIGHTS, status=500, times=None),
    "429 for ever": Fault("GET /api/models", status=429, headers={"Retry-After": "0"}, times=None),
    "weights always cut short": Fault(WEIGHTS, truncate_at=50_000, times=None),
}


@pytest.mark.parametrize("title", FAILS)
def test_fails_and_the_next_run_succeeds(title: str, hub: LoopbackHub, place: Path, tiny: Path, row: Row) -> None:
    hub.add("me/tiny", tiny)
    fault = FAILS[title]
    fault.hits = 0
    hub.faults = [fault]
    run = _inspect(hub, place)
    assert_said_clearly(run, 3)
    assert not list(place.iterdir())
    row("Network", title, run)
    tried = bool(hub.requests("GET", "/resolve/"))
    hub.faults, hub.seen[:] = [], []
    again = _inspect(hub, place)
    assert again.code == 0, again.output
    _assert_whole(place, tiny)
    if tried:
        assert not [seen for seen in hub.requests("GET", "/resolve/") if seen.path.endswith("/tokenizer.json")], (
            "what was there already was downloaded again"
        )


def test_a_commit_in_between(hub: LoopbackHub, place: Path, tiny: Path, row: Row) -> None:
    """All files come from one commit, whichever."""
    first = hub.add("me/tiny", tiny)
    changed = (tiny / "model.safetensors").read_bytes()[:-4] + b"\0\0\x80\x3f"
    hub.faults = [
        Fault("(GET|HEAD) .*/resolve/", skip=1, action=lambda: hub.add("me/tiny", {"model.safetensors": changed}))
    ]
    run = _inspect(hub, place)
    assert run.code == 0, run.output
    (snapshot,) = (place.parent / "cache" / "hub" / "models--me--tiny" / "snapshots").iterdir()
    expected = (tiny / "model.safetensors").read_bytes() if snapshot.name == first else changed
    assert (snapshot / "model.safetensors").read_bytes() == expected
    row("Network", "a commit to the source while it is downloaded (ETags change)", run, "all files from one commit")


def test_not_found(hub: LoopbackHub, place: Path, tiny: Path, row: Row) -> None:
    run = _inspect(hub, place, "facebook/brat-base", token=WRITE_TOKEN)
    assert_said_clearly(run, 2)
    assert "facebook/bart-base" in run.stderr
    row("Network", "404: a model that does not exist", run)
    run = _inspect(hub, place, "bert-bas-uncased")
    assert_said_clearly(run, 2)
    assert "bert-base-uncased" in run.stderr and len(hub.seen) == len(hub.requests("GET", "brat"))
    row("Network", "a short name that is misspelled", run)


def test_private_and_gated(hub: LoopbackHub, place: Path, tiny: Path, row: Row) -> None:
    hub.add("me/tiny", tiny, private=True)
    hub.add("me/gated", tiny, gated=True)
    for title, model, token, code in (
        ("private model, no token", "me/tiny", None, 2),
        ("private model, somebody else's token", "me/tiny", OTHER_TOKEN, 2),
        ("gated model, no token (401)", "me/gated", None, 3),
        ("gated model, access not granted (403)", "me/gated", OTHER_TOKEN, 3),
        ("token that the Hub does not know (401)", "me/gated", "hf_aTokenThatNobodyEverGaveOut0000", 3),
    ):
        run = _inspect(hub, place, model, token=token)
        assert_said_clearly(run, code)
        assert "hf auth login" in run.stderr and (token is None or token not in run.output)
        row("Network", title, run)
    hub.store.repositories["me/gated"].granted.add("somebody")
    assert _inspect(hub, place, "me/gated", token=OTHER_TOKEN).code == 0
    assert _inspect(hub, place, "me/tiny", "--token", WRITE_TOKEN).code == 0


def test_revisions(hub: LoopbackHub, place: Path, tiny: Path, row: Row) -> None:
    commit = hub.add("me/tiny", tiny)
    hub.add("me/tiny", {"config.json": b"{}"})
    run = _inspect(hub, place, "me/tiny", "--revision", "nowhere")
    assert_said_clearly(run, 2)
    row("Network", "revision that does not exist", run)
    assert _inspect(hub, place, "me/tiny", "--revision", commit).code == 0
    assert _inspect(hub, place, "me/tiny").code == 2, "the newest commit has an empty config"


def test_offline(hub: LoopbackHub, place: Path, tiny: Path, row: Row) -> None:
    hub.add("me/tiny", tiny)
    run = _inspect(hub, place, HF_HUB_OFFLINE="1")
    assert_said_clearly(run, 3)
    row("Network", "HF_HUB_OFFLINE=1, nothing in the cache", run)
    assert _inspect(hub, place).code == 0
    hub.seen.clear()
    run = _inspect(hub, place, HF_HUB_OFFLINE="1")
    assert run.code == 0 and not hub.seen, run.output
    row("Network", "HF_HUB_OFFLINE=1, the source in the cache", run, "taken from the cache, no request")
    hub.faults = [Fault(".*", status=500, times=None)]
    run = _inspect(hub, place)
    assert run.code == 0, run.output
    row("Network", "500 for ever, the source in the cache", run, "taken from the cache")
    (weights,) = (place.parent / "cache").rglob("snapshots/*/model.safetensors")
    weights.unlink()
    run = _inspect(hub, place, HF_HUB_OFFLINE="1")
    assert_said_clearly(run, 3)
    row("Network", "HF_HUB_OFFLINE=1, half of the source in the cache", run)


def test_nobody_there(hub: LoopbackHub, place: Path, row: Row) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    run = _inspect(hub, place, HF_ENDPOINT=closed)
    assert_said_clearly(run, 3)
    row("Network", "nobody answers at the Hub's address", run)
    run = _inspect(hub, place, HF_ENDPOINT="http://no-such-host.invalid")
    assert_said_clearly(run, 3)
    row("Network", "the Hub's name does not resolve", run)


@pytest.mark.parametrize(
    ("title", "drop", "add", "code"),
    [
        ("repository without config.json", ["config.json"], {}, 2),
        ("repository with TensorFlow weights only", ["model.safetensors"], {"tf_model.h5": b"x"}, 2),
    ],
)
def test_not_a_model(
    title: str, drop: list[str], add: dict[str, bytes], code: int, hub: LoopbackHub, place: Path, source: Path, row: Row
) -> None:
    for name in drop:
        (source / name).unlink()
    hub.add("me/tiny", source)
    hub.add("me/tiny", add)
    run = _inspect(hub, place)
    assert_said_clearly(run, code)
    assert not hub.requests("GET", "/resolve/"), "downloaded what is of no use"
    row("Network", title, run)


def test_a_full_disk_under_the_cache(hub: LoopbackHub, place: Path, tiny: Path, row: Row) -> None:
    hub.add("me/tiny", tiny)
    environment = os.environ | hub.environment(place.parent / "cache") | QUICK
    from tests.command import COMMAND, run

    done = run(["bash", "-c", f"ulimit -f 60; exec {COMMAND} inspect me/tiny"], place, **environment)
    assert_said_clearly(done, 3)
    row("Network", "disk full while downloading", done)
    assert _inspect(hub, place).code == 0


def test_a_conversion_survives_a_bad_day(hub: LoopbackHub, place: Path, tiny: Path, converted: Path, row: Row) -> None:
    """Everything at once: the folder is the same as on a good day."""
    hub.add("me/tiny", tiny)
    hub.faults = [
        Fault("GET /api/models", status=429, headers={"Retry-After": "0"}),
        Fault("HEAD .*/resolve/.*", status=500),
        Fault(WEIGHTS, reset_at=40_000),
        Fault(WEIGHTS, skip=1, truncate_at=90_000),
    ]
    environment = hub.environment(place.parent / "cache")
    run = lsg_convert("me/tiny", *LENGTHS, "--output", "bad-day", "--no-verify", cwd=place, **environment)
    assert run.code == 0, run.output
    differing = {"README.md", "lsg_conversion.json", "config.json"}  # they say where the source is from
    configs = [json.loads((folder / "config.json").read_text()) for folder in (place / "bad-day", converted)]
    assert [config.pop("lsg_source")["name"] for config in configs] == ["tiny", "tiny-bert"]
    assert configs[0] == configs[1]
    bad_day, good_day = tree(place / "bad-day"), tree(converted)
    assert {k: v for k, v in bad_day.items() if k not in differing} == {
        k: v for k, v in good_day.items() if k not in differing
    }
    row("Network", "429, 500, a reset and a cut body in one conversion", run, "the same folder as on a good day")
