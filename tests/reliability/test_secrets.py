"""A token, wherever it comes from, shows nowhere: not on the terminal, not in errors, not in files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import Run
from tests.hub import Fault, LoopbackHub
from tests.hub.server import WRITE_TOKEN
from tests.reliability.conftest import LENGTHS
from tests.warm import lsg_convert

Row = Callable[..., None]
WRONG = "hf_wrongTokenThatMustNotShow0000000"


def _given(how: str, token: str, cache: Path) -> tuple[list[str], dict[str, str]]:
    """Options and environment that carry the token."""
    if how == "option":
        return ["--token", token], {}
    if how == "environment":
        return [], {"HF_TOKEN": token}
    cache.mkdir(exist_ok=True)
    (cache / "token").write_text(token)
    return [], {}


def _assert_hidden(run: Run, token: str, *places: Path) -> None:
    assert token not in run.output and token[3:20] not in run.output, run.output
    for place in places:
        for path in place.rglob("*"):
            assert token.encode() not in (path.read_bytes() if path.is_file() else b""), path


@pytest.mark.parametrize("how", ["option", "environment", "login"])
def test_nowhere(how: str, hub: LoopbackHub, tiny: Path, tmp_path: Path, row: Row) -> None:
    hub.add("me/tiny", tiny, private=True)
    work, cache = tmp_path / "work", tmp_path / "cache"
    work.mkdir()
    options, variables = _given(how, WRITE_TOKEN, cache)
    environment = hub.environment(cache) | variables | {"LSG_CONVERT_DEBUG": "1", "HF_DEBUG": "1"}
    run = lsg_convert(
        "me/tiny", *LENGTHS, "--output", "out", "--no-verify", "--json", *options, cwd=work, **environment
    )
    assert run.code == 0, run.output
    _assert_hidden(run, WRITE_TOKEN, work)
    assert run.json["source"]["repo_id"] == "me/tiny"
    run = lsg_convert("push", "out", "me/out", "--json", *options, cwd=work, **environment)
    assert run.code == 0, run.output
    _assert_hidden(run, WRITE_TOKEN, work, hub.store.objects)
    row("Secrets", f"a token given by {how}, convert and push", run, "in no output, no file, not sent to the file host")
    assert not any(seen.token for seen in hub.seen if seen.host == "localhost")


@pytest.mark.parametrize("how", ["option", "environment", "login"])
def test_not_in_errors(how: str, hub: LoopbackHub, tiny: Path, tmp_path: Path, row: Row) -> None:
    hub.add("me/tiny", tiny)
    work, cache = tmp_path / "work", tmp_path / "cache"
    work.mkdir()
    options, variables = _given(how, WRONG, cache)
    environment = hub.environment(cache) | variables | {"LSG_CONVERT_DEBUG": "1"}
    refused = lsg_convert("inspect", "me/tiny", *options, cwd=work, **environment)
    assert refused.code == 3
    _assert_hidden(refused, WRONG, work)
    hub.faults = [Fault(".*", reset_at=0, times=None)]
    broken = lsg_convert("inspect", "me/tiny", "--json", *options, cwd=work, **environment)
    assert broken.code == 3
    _assert_hidden(broken, WRONG, work)
    row("Secrets", f"a wrong token given by {how}", refused)


def test_an_address_with_a_password(tmp_path: Path, row: Row) -> None:
    work = tmp_path
    endpoint = "http://user:passw0rd@127.0.0.1:9"
    run = lsg_convert("inspect", "me/x", cwd=work, HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="0", HF_HOME=str(work / "h"))
    assert run.code == 3 and "passw0rd" not in run.output, run.output
    row("Secrets", "HF_ENDPOINT with a password, nobody there", run)
