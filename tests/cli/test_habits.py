"""What people bring from other programs (`docs/habits.md`), each habit as it is typed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lsg_convert.cli.console import Console
from lsg_convert.cli.foreign import OPTIONS
from tests.command import COMMAND, fresh_environment
from tests.hub import LoopbackHub
from tests.hub.server import WRITE_TOKEN
from tests.warm import lsg_convert

SHORT = ("--max-len", 128, "--no-verify")


@pytest.fixture
def place(checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder with two models."""
    shutil.copytree(checkpoint("bert", "BertForMaskedLM"), tmp_path / "one")
    shutil.copytree(checkpoint("roberta", "RobertaForMaskedLM"), tmp_path / "two")
    return tmp_path


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LoopbackHub]:
    with LoopbackHub(tmp_path / "hub") as hub:
        yield hub


def _options(folder: Path) -> dict[str, object]:
    return json.loads((folder / "lsg_conversion.json").read_text())["options"]


class TestCompletion:
    @pytest.mark.parametrize(
        ("typed", "completed"),
        [
            ("lsg-convert ver", {"verify"}),
            ("lsg-convert bart-base --sparsity-", {"--sparsity-factor", "--sparsity-type"}),
            ("lsg-convert convert camembert-", {"camembert-base", "camembert-large"}),
            ("lsg-convert code mb", {"mbart"}),
        ],
    )
    def test_of_words(self, typed: str, completed: set[str], tmp_path: Path) -> None:
        variables = {
            "_LSG_CONVERT_COMPLETE": "complete_bash",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(typed.split()) - 1),
        }
        done = lsg_convert(cwd=tmp_path, **variables)
        assert (done.code, set(done.stdout.split()), done.stderr) == (0, completed, "")

    def test_is_installed(self, tmp_path: Path) -> None:
        """By the option that every program of its kind has, into the user's own shell and nothing else."""
        variables = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
        done = lsg_convert("--install-completion", "bash", cwd=tmp_path, **variables)
        assert done.code == 0, done.output
        assert "lsg-convert" in (tmp_path / ".bashrc").read_text() + "".join(
            path.read_text() for path in (tmp_path / ".bash_completions").glob("*")
        )


class TestQuiet:
    @pytest.mark.parametrize(
        "arguments",
        [
            ("one", *SHORT), ("one", "--dry-run"), ("inspect", "one"), ("inspect", "made"), ("families",),
            ("push", "made", "me/x", "--dry-run"), ("verify", "made", "--level", "integrity"),
            ("code", "bert", "--output", "code.py"),
        ],
    )  # fmt: skip
    def test_is_quiet(self, arguments: tuple[object, ...], place: Path) -> None:
        assert lsg_convert("one", *SHORT, "-o", "made", "-q", cwd=place).output == ""
        done = lsg_convert(*arguments, "--quiet", cwd=place)
        assert (done.code, done.output) == (0, "")
        assert lsg_convert(*arguments[:1], "--quiet", "--help", cwd=place).stdout

    def test_errors_are_told(self, place: Path) -> None:
        done = lsg_convert("nosuch", "--quiet", cwd=place)
        assert (done.code, done.stdout) == (2, "") and done.stderr.startswith("Error: unknown model")

    def test_a_failed_check_is_told(self, place: Path) -> None:
        lsg_convert("one", *SHORT, "-o", "made", "-q", cwd=place)
        with (place / "made" / "vocab.txt").open("a") as file:
            file.write("more\n")
        done = lsg_convert("verify", "made", "--level", "integrity", "-q", cwd=place)
        assert (done.code, done.stdout) == (1, "") and done.stderr.startswith("Error: Failed: ")

    def test_json_is_printed(self, place: Path) -> None:
        assert lsg_convert("one", "--dry-run", "-q", "--json", cwd=place).json["written"] is False


def test_verbose_is_a_log_of_what_was_done(place: Path) -> None:
    done = lsg_convert("-v", "one", *SHORT, cwd=place)
    assert done.code == 0, done.output
    assert "2/3 Reading the tokenizer: " in done.stderr
    assert "3/3 Writing tensors: " in done.stderr


@pytest.mark.parametrize(("typed", "dtype"), [("fp16", "float16"), ("bf16", "bfloat16"), ("torch.float32", "float32")])
def test_dtypes_in_other_spellings(typed: str, dtype: str, place: Path) -> None:
    done = lsg_convert("one", *SHORT, "--dtype", typed, "-o", "made", cwd=place)
    assert done.code == 0, done.output
    assert _options(place / "made")["dtype"] == dtype


class TestSeveral:
    def test_are_converted_one_by_one(self, place: Path) -> None:
        done = lsg_convert("one", "two", *SHORT, cwd=place)
        assert done.code == 0, done.output
        assert done.stdout.count("Output") == 2
        assert (place / "lsg-one-128").is_dir() and (place / "lsg-two-128").is_dir()

    def test_a_failure_is_in_no_others_way(self, place: Path) -> None:
        (place / "one" / "model.safetensors").write_bytes(b"nothing")
        done = lsg_convert("one", "two", *SHORT, "--json", cwd=place)
        first, second = done.json["conversions"]
        assert done.code == 2
        assert first["model"] == "one" and first["error"]["exit_code"] == 2
        assert second["written"] is True and (place / "lsg-two-128").is_dir()
        told = lsg_convert("one", "two", *SHORT, "--force", cwd=place)
        assert told.code == 2 and "Error: one: " in told.stderr and "Output" in told.stdout


class TestOptionsFile:
    def test_names_models_and_options(self, place: Path) -> None:
        (place / "run.yaml").write_text(
            "models: [one, two]\nmax-len: 256\nblock_size: 32\nverify: false\ndtype: bf16\n"
        )
        done = lsg_convert("--config", "run.yaml", "--max-len", 128, cwd=place)
        assert done.code == 0, done.output
        for folder in ("lsg-one-128", "lsg-two-128"):  # what is typed comes first
            asked = _options(place / folder)
            assert (asked["max_len"], asked["block_size"], asked["dtype"]) == (128, 32, "bfloat16")

    def test_may_be_json(self, place: Path) -> None:
        (place / "run.json").write_text(json.dumps({"model": "one", "max_len": 128}))
        assert lsg_convert("--config", "run.json", "--dry-run", "--json", cwd=place).json["max_len"] == 128
        assert lsg_convert("inspect", "--config", "run.json", "--json", cwd=place).json["max_len"] == 128

    def test_another_folder_is_one(self, place: Path) -> None:
        """What was asked of the first, whatever family the second is of; what is in a file comes before it."""
        first = lsg_convert("one", *SHORT, "--block-size", 32, "--num-global-tokens", 5, "-o", "made", cwd=place)
        assert first.code == 0, first.output
        again = lsg_convert("two", "--like", "made", "--no-verify", "-o", "likewise", cwd=place)
        assert again.code == 0, again.output
        machine = {"output", "force"}
        assert {k: v for k, v in _options(place / "likewise").items() if k not in machine} == _options(place / "made")
        (place / "run.yaml").write_text("block-size: 64")
        both = lsg_convert("two", "--like", "made", "--config", "run.yaml", "--dry-run", "--json", cwd=place).json
        assert (both["lsg"]["block_size"], both["lsg"]["num_global_tokens"]) == (64, 5)


class TestHub:
    def test_a_conversion_is_published(self, place: Path, hub: LoopbackHub) -> None:
        environment = hub.environment(place / "cache", WRITE_TOKEN)
        done = lsg_convert("one", *SHORT, "-o", "made", "--push", "me/made", cwd=place, **environment)
        assert done.code == 0, done.output
        assert "me/made" in done.stdout
        assert "model.safetensors" in hub.store.repositories["me/made"].files()
        told = lsg_convert("two", *SHORT, "--push", "me/two", "--json", cwd=place, **environment).json
        assert told["written"] is True and told["pushed"]["repo_id"] == "me/two"

    def test_a_push_that_fails_leaves_the_folder(self, place: Path, hub: LoopbackHub) -> None:
        environment = hub.environment(place / "cache")
        done = lsg_convert("one", *SHORT, "-o", "made", "--push", "me/made", cwd=place, **environment)
        assert done.code == 3
        assert "is complete" in done.stderr
        assert (place / "made" / "model.safetensors").is_file()

    def test_a_dry_run_publishes_nothing(self, place: Path, hub: LoopbackHub) -> None:
        environment = hub.environment(place / "cache", WRITE_TOKEN)
        done = lsg_convert("one", "--dry-run", "--push", "me/made", cwd=place, **environment)
        assert done.code == 0, done.output
        assert "me/made" not in hub.store.repositories

    def test_a_reader_of_a_card_verifies_what_was_published(self, place: Path, hub: LoopbackHub) -> None:
        """By id and by address; the cache is not written to."""
        environment = hub.environment(place / "cache", WRITE_TOKEN)
        made = lsg_convert("one", *SHORT, "-o", "made", "--push", "me/made", cwd=place, **environment)
        assert made.code == 0, made.output
        for name in ("me/made", f"{hub.url}/me/made"):
            done = lsg_convert("verify", name, "--source", "one", "--level", "1", "--json", cwd=place, **environment)
            assert done.code == 0, done.output
            assert done.json["verdict"] == "passed"
        snapshots = list((place / "cache").rglob("snapshots/*/lsg_conversion.json"))
        assert [json.loads(path.read_text())["verification"] for path in snapshots] == [None]

    def test_what_lsg_convert_did_not_write_is_refused(self, place: Path, hub: LoopbackHub) -> None:
        files = {path.name: path.read_bytes() for path in (place / "one").iterdir()}
        hub.add("me/plain", files)
        done = lsg_convert("verify", "me/plain", cwd=place, **hub.environment(place / "cache"))
        assert done.code == 2 and "'me/plain' has no lsg_conversion.json" in done.stderr

    def test_an_address_is_a_model(self, place: Path, hub: LoopbackHub) -> None:
        hub.add("me/plain", {path.name: path.read_bytes() for path in (place / "one").iterdir()})
        environment = hub.environment(place / "cache")
        done = lsg_convert(f"{hub.url}/me/plain/tree/main", *SHORT, "--json", cwd=place, **environment)
        assert done.code == 0, done.output
        assert done.json["source"]["repo_id"] == "me/plain"
        assert (place / "lsg-plain-128").is_dir()

    def test_no_weights_are_downloaded_for_what_cannot_be_converted(self, place: Path, hub: LoopbackHub) -> None:
        files = {path.name: path.read_bytes() for path in (place / "one").iterdir()}
        files["config.json"] = json.dumps(json.loads(files["config.json"]) | {"model_type": "longt5"}).encode()
        hub.add("me/long", files)
        done = lsg_convert("me/long", cwd=place, **hub.environment(place / "cache"))
        assert done.code == 2 and "already reaches far" in done.stderr
        assert not hub.requests("GET", "model.safetensors")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_terminals_that_lack_characters(encoding: str, place: Path) -> None:
    """`->` for an arrow, and lines of their own; never an escape, never a failure."""
    for arguments in (("one", "--max-len", "128"), ("verify", "lsg-one-128", "--level", "1"), ("families",)):
        done = subprocess.run(
            [COMMAND, *arguments],
            cwd=place,
            env=fresh_environment(PYTHONIOENCODING=encoding, PYTHONUTF8="0"),
            capture_output=True,
            check=False,
        )
        said = (done.stdout + done.stderr).decode(encoding)
        assert done.returncode == 0, said
        assert "\\u" not in said and "---" in said
        assert arguments[0] != "one" or ("64 -> 128 tokens" in said and "ok files" in said)


def test_code_is_the_same_bytes_in_every_encoding(tmp_path: Path) -> None:
    assert lsg_convert("code", "bert", "--output", "bert.py", cwd=tmp_path).code == 0
    environment = fresh_environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    printed = subprocess.run([COMMAND, "code", "bert"], cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert printed.stdout == (tmp_path / "bert.py").read_bytes()


def test_environment_variables_are_documented() -> None:
    """Those that the product reads itself, and what it leaves to its libraries."""
    root = Path(__file__).parents[2]
    text = (root / "docs" / "environment.md").read_text(encoding="utf-8")
    for name in (
        "HF_TOKEN", "HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HTTPS_PROXY", "NO_PROXY",
        "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NO_COLOR", "COLUMNS", "LSG_CONVERT_DEBUG", "XDG_CACHE_HOME",
        "HF_MODULES_CACHE", "OMP_NUM_THREADS",
    ):  # fmt: skip
        assert f"`{name}`" in text, name


def test_a_proxy_is_used(place: Path) -> None:
    """A proxy that refuses is asked, and named as what the connection broke at; its password is not shown."""
    environment = {"HF_HUB_OFFLINE": "0", "HF_HOME": str(place / "cache"), "NO_PROXY": ""}
    names = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
    proxy = dict.fromkeys(names, "http://me:secret@127.0.0.1:9")
    done = lsg_convert("me/nothing", cwd=place, **environment, **proxy)
    assert done.code == 3 and "the connection to huggingface.co failed" in done.stderr
    assert "secret" not in done.output


def test_a_quiet_console_gives_no_notice(capsys: pytest.CaptureFixture[str]) -> None:
    Console(quiet=True).notice("nothing")
    Console().notice("something")
    assert capsys.readouterr().err == "something\n"


def test_the_table_names_options_that_exist(tmp_path: Path) -> None:
    """Those of ours, in the last column; or those of others that are answered."""
    root = Path(__file__).parents[2]
    rows = [line for line in (root / "docs" / "habits.md").read_text().splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 25 and all(row.count("|") == 8 for row in rows)
    helps = "".join(lsg_convert(*name.split(), "--help", cwd=tmp_path).stdout for name in ("", "convert", "verify"))
    for row in rows:
        for option in re.findall(r"`(--[a-z_-]+)", row.split("|")[-2]):
            assert option in helps or option in OPTIONS, option
