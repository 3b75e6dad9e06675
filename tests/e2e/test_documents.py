"""What the pages of `docs/` show runs, in order; folders of tiny models stand in for the real ones.

All in one process, and no command twice: a conversion that several pages begin with is made once. What the README shows
too, `tests/e2e/test_readme.py` has run.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from examples.serve import make_server
from lsg_convert import convert
from lsg_convert.cli.app import run
from lsg_convert.folder.remote_code import OPTIONAL
from lsg_convert.verification import run as verification
from lsg_convert.verification.stranger import Stranger
from tests.e2e.shown import blocks
from tests.texts import long_text
from tests.tiny import make_checkpoint
from tests.verify.test_card import sentence_source

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# In the order in which a reader meets them: later pages use the folders of earlier ones.
PAGES = [
    "settings",
    "sweep",
    "training",
    "training_more",
    "serving",
    "trust",
    "cost",
    "habits",
    "environment",
    "first-day",
    "longformer",
]
LEFT_OUT = {
    "lsg-convert --install-completion": "it writes into the files of a shell; tests/cli/test_habits.py has it",
    "lsg-convert bench lsg-bart-base-4096": "the README has it",
}
STAND_INS = {
    "bart-base": ("bart", 1024),
    "roberta-base": ("roberta", 512),
    "bert-base-uncased": ("bert", 512),
    "longformer-base-4096": ("longformer", 512),
    "led-base-16384": ("led", 512),
}


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a stand-in for every model that the pages name."""
    for name, (family, length) in STAND_INS.items():
        make_checkpoint(family, None, tmp_path / name, max_positions=length)
    sentence_source(tmp_path / "all-MiniLM-L6-v2")
    checks = tuple(check for check in verification.ALL_CHECKS if check is not Stranger)  # a process of its own
    monkeypatch.setattr(verification, "ALL_CHECKS", checks)
    (tmp_path / "articles.txt").write_text(long_text(5000), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_what_the_pages_show_runs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ran: set[str] = set()
    for name in PAGES:
        for language, code in blocks(page(name)):
            if language == "yaml":
                (place / "run.yaml").write_text(code, encoding="utf-8")
            elif language == "python":
                exec(compile(code, f"{name}.md", "exec"), {})
            elif language == "bash" and code not in ran | LEFT_OUT.keys():
                ran.add(code)
                given = shlex.split(code)[1:]
                assert run([*given, *_length(given)]) == 0, f"{name}.md: {code}\n{capsys.readouterr()}"
    torch.set_num_threads(threads)
    assert len(ran) >= 18
    shutil.rmtree(place)


def _length(given: list[str]) -> list[str]:
    """What was converted before is converted again; and a stand-in needs no further check."""
    converts = given[0] in STAND_INS or given[0].startswith("./all")
    return ["--force", "--no-verify"] if converts and "--dry-run" not in given else []


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    assert "](docs/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [path.name for path in DOCS.glob("*.md") if path.name != "README.md" and f"]({path.name})" not in index]
    assert not missing


@pytest.mark.parametrize("name", ["settings", "sweep", "training", "serving", "trust", "cost"])
def test_a_page_is_short(name: str) -> None:
    assert len(page(name).splitlines()) <= 80


def test_commands_are_all_looked_at() -> None:
    """No page shows a command that no list here knows."""
    for path in DOCS.glob("*.md"):
        if path.stem not in PAGES:
            assert not [code for language, code in blocks(path.read_text(encoding="utf-8")) if language == "bash"], path


@pytest.mark.parametrize("document", ["README.md", "docs/settings.md"])
def test_settings_that_need_code_of_their_own_are_named(document: str) -> None:
    said = (ROOT / document).read_text(encoding="utf-8")
    for value in (value for values in OPTIONAL.values() for value in values):
        assert re.search(rf'[`"]{value}[`"]', said), value
    assert "All attention settings can be changed" not in said


class TestFigures:
    @pytest.mark.parametrize("name", ["settings", "trust", "../README"])
    def test_of_retrieval_are_those_that_were_measured(self, name: str) -> None:
        text = page(name)
        said = text.partition("### What it is worth")[2].partition("\n### ")[0] or text
        figures = set(re.findall(r"\b0\.\d{3}\b", said))
        assert figures and all(figure in page("benchmarks") + page("tasks") for figure in figures)

    def test_of_cost_are_those_that_were_measured(self) -> None:
        measured = page("benchmarks") + page("verification")
        cells = [row.split("|")[2:4] for row in page("cost").splitlines() if row.startswith("| to ")]
        figures = [figure for row in cells for cell in row for figure in re.findall(r"\d[\d.]* (?:s|MB|GB)\b", cell)]
        assert len(figures) >= 15
        assert not [figure for figure in figures if figure not in measured]


def test_the_service_of_the_example_answers(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    options = {"max_len": 136, "block_size": 16, "sparse_block_size": 16, "verify": False}
    folder = convert(sentence_source(tmp_path / "source"), output=tmp_path / "out", **options).output
    server = make_server(str(folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    try:
        with urllib.request.urlopen(address, data=json.dumps({"texts": ["One.", "Two."]}).encode()) as answer:
            embeddings = json.load(answer)["embeddings"]
        assert [len(vector) for vector in embeddings] == [32, 32]
        for wrong in (b"no JSON", b'{"texts": "one"}', b"[]", b"{}"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(address, data=wrong)
            assert refused.value.code == 400
    finally:
        server.shutdown()
        server.server_close()
