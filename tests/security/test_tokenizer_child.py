"""A tokenizer that panics, hangs or asks for 8 GB ends as a sentence; the run that tried it goes on."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from lsg_convert import convert, verify
from lsg_convert.common.errors import RequestError
from lsg_convert.plan import tokenizer_process
from lsg_convert.plan.tokenizer_process import ask_tokenizer, prove_tokenizer
from tests.command import lsg_convert
from tests.security.conftest import OPTIONS


def _edit(folder: Path, **values: Any) -> None:
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def grow(times: int) -> dict[str, Any]:
    """A normalizer that makes every letter `10 ** times`."""
    step = {"type": "Replace", "pattern": {"Regex": "[a-z]"}, "content": "aaaaaaaaaa"}
    return {"type": "Sequence", "normalizers": [step] * times}


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the limit is, but sooner reached."""
    monkeypatch.setattr(tokenizer_process, "MEMORY", 2**28)


# A table of a normalizer that points outside of itself: the parser panics, which is no Exception in Python.
PANICS = {"type": "Precompiled", "precompiled_charsmap": "IAAAADA+Yc0UBAAARG/OwhvMzqYtmb81qMdBBzwGAACFySTDYWJjAGRlZgA="}


class TestLimits:
    @pytest.mark.usefixtures("small_memory")
    def test_of_memory(self, source: Path) -> None:
        _edit(source, normalizer=grow(10))
        with pytest.raises(RequestError, match=r"does not load: (it asks for more|it crashed|it took longer)"):
            ask_tokenizer(source, by_library=False)

    def test_of_time(self, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(tokenizer_process.SECONDS, False, 2.0)
        monkeypatch.setattr(tokenizer_process, "SECONDS_PER_MB", 0.0)
        _edit(source, normalizer=grow(4))
        started = time.monotonic()
        with pytest.raises(RequestError, match="does not load"):
            ask_tokenizer(source, texts=["many words " * 10] * 1000, by_library=False)
        assert time.monotonic() - started < 30

    def test_a_panic_is_a_sentence(self, source: Path) -> None:
        _edit(source, normalizer=PANICS)
        with pytest.raises(RequestError, match="does not load"):
            prove_tokenizer(source)


class TestConversion:
    def test_ends_with_exit_code_2_and_leaves_nothing(self, source: Path, tmp_path: Path) -> None:
        _edit(source, normalizer=grow(10))
        done = lsg_convert("./source", "--max-len", "128", "--output", "out", cwd=tmp_path)
        assert done.code == 2 and "tokenizer does not load" in done.stderr and "Traceback" not in done.output
        assert {path.name for path in tmp_path.iterdir()} == {"source"}

    @pytest.mark.usefixtures("small_memory")
    def test_tries_what_verification_reads(self, source: Path, tmp_path: Path) -> None:
        """It is harmless until the text in which our own paragraphs have a Chinese character."""
        step = {"type": "Replace", "pattern": {"Regex": "\\p{Han}"}, "content": "aaaaaaaaaa"}
        _edit(source, normalizer={"type": "Sequence", "normalizers": [step, *grow(10)["normalizers"]]})
        with pytest.raises(RequestError, match="does not load"):
            convert(source, output=tmp_path / "out", **OPTIONS)


class TestVerification:
    @pytest.mark.usefixtures("small_memory")
    def test_fails_and_goes_on(self, folder: Path, source: Path) -> None:
        _edit(folder, normalizer=grow(10))
        report = verify(folder, source, level="integrity")
        statuses = {result.name: result.status for result in report.results}
        assert statuses["tokenizer"] == "failed" and statuses["loading"] == "passed"


def test_secrets_are_not_in_its_environment(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    run = tokenizer_process.subprocess.run

    def watch(*arguments: Any, **options: Any) -> Any:
        seen.update(options["env"])
        return run(*arguments, **options)

    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(tokenizer_process.subprocess, "run", watch)
    ask_tokenizer(source, by_library=False)
    assert "hf_secret" not in seen.values() and seen["HF_HUB_OFFLINE"] == "1"


def test_it_imports_nothing_from_the_current_folder(
    source: Path, tmp_path: Path, canary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tokenizers", "json", "lsg_convert"):
        (tmp_path / f"{name}.py").write_text(canary)
    monkeypatch.chdir(tmp_path)
    assert ask_tokenizer(source, ["[MASK]"], by_library=False)["tokens"]["[MASK]"] == 4
