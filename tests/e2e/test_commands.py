"""The installed command, in a fresh process: what it prints, where, and what it writes."""

from __future__ import annotations

import hashlib
import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import COMMAND, fresh_environment, lsg_convert, python
from tests.e2e.test_bad_input import contents

HEAVY = ("torch", "transformers", "numpy", "safetensors", "huggingface_hub", "tokenizers")


@pytest.fixture
def source(checkpoint: Callable[..., Path]) -> Path:
    return checkpoint("bert", "BertForMaskedLM")


class TestConvert:
    def test_is_the_default_command(self, source: Path, tmp_path: Path) -> None:
        options = ("--max-len", 128, "--json", "--no-verify")
        named = lsg_convert("convert", source, *options, "--output", "a", cwd=tmp_path)
        short = lsg_convert(source, *options, "--output", "b", cwd=tmp_path)
        assert named.code == short.code == 0, named.output + short.output
        ignored = ("output", "seconds", "timing")
        first, second = ({k: v for k, v in run.json.items() if k not in ignored} for run in (named, short))
        assert first == second
        assert (tmp_path / "a" / "model.safetensors").read_bytes() == (
            tmp_path / "b" / "model.safetensors"
        ).read_bytes()

    def test_says_what_changed_and_what_to_do_next(self, source: Path, tmp_path: Path) -> None:
        done = lsg_convert(source, "--max-len", 256, cwd=tmp_path)
        folder = f"lsg-{source.name}-256"
        assert done.code == 0, done.output
        for word in (
            "Verified",
            "✓",
            "64 → 256 tokens",
            "position_embeddings",
            "global_embeddings",
            "LSGBertForMaskedLM",
            folder,
            " s",
        ):
            assert word in done.stdout
        for word in (f"AutoModelForMaskedLM.from_pretrained('./{folder}'", "lsg-convert verify", "lsg-convert push"):
            assert word in done.stderr
        assert "\x1b" not in done.output  # no colours where nobody looks

    def test_json_is_one_object_and_nothing_else(self, source: Path, tmp_path: Path) -> None:
        done = lsg_convert("--json", source, "--max-len", 128, cwd=tmp_path)
        assert done.code == 0, done.output
        assert done.stderr == ""
        result = done.json
        assert result["max_len"] == 128
        assert result["written"] is True
        assert Path(result["output"]).is_dir()
        on_disk = {path.name for path in Path(result["output"]).iterdir()}
        assert set(result["files"]) <= on_disk

    def test_quiet_says_nothing(self, source: Path, tmp_path: Path) -> None:
        done = lsg_convert(source, "--max-len", 128, "--quiet", "--no-verify", cwd=tmp_path)
        assert (done.code, done.output) == (0, "")
        assert (tmp_path / f"lsg-{source.name}-128" / "model.safetensors").is_file()

    def test_needs_no_torch_without_verification(self, source: Path, tmp_path: Path) -> None:
        code = (
            "import sys; from lsg_convert.cli.main import main; main(sys.argv[1:]); "
            "print([name for name in ('torch', 'transformers') if name in sys.modules], file=sys.stderr)"
        )
        done = python(code, str(source), "--max-len", "128", "--no-verify", cwd=tmp_path)
        assert done.stderr.strip().endswith("[]"), done.output

    def test_dry_run_writes_nothing(self, source: Path, tmp_path: Path) -> None:
        done = lsg_convert(source, "--dry-run", cwd=tmp_path)
        assert done.code == 0, done.output
        assert "64 → 4096 tokens" in done.stdout
        assert contents(tmp_path) == {}
        assert lsg_convert(source, "--dry-run", "--json", cwd=tmp_path).json["written"] is False

    def test_options_reach_the_folder(self, source: Path, tmp_path: Path) -> None:
        options = (
            "--max-len 128 --block-size 32 --sparse-block-size 64 --sparsity-factor 4 --sparsity-type bos_pooling "
            "--num-global-tokens 7 --no-mask-first-token --no-pool-with-global --no-adaptive "
            "--attention-backend sdpa "
            "--no-pass-global-tokens-to-decoder --architecture BertModel --dtype bfloat16 --positions tile-all"
        )
        done = lsg_convert(source, *options.split(), "--output", "out", "--no-verify", cwd=tmp_path)
        assert done.code == 0, done.output
        config = json.loads((tmp_path / "out" / "config.json").read_text())
        expected = {
            "block_size": 32,
            "sparse_block_size": 64,
            "sparsity_factor": 4,
            "sparsity_type": "bos_pooling",
            "num_global_tokens": 7,
            "mask_first_token": False,
            "pool_with_global": False,
            "adaptive": False,
            "pass_global_tokens_to_decoder": False,
            "attention_backend": "sdpa",
            "architectures": ["LSGBertModel"],
            "max_position_embeddings": 128,
            "model_type": "lsg-bert",
        }
        assert {name: config[name] for name in expected} == expected
        record = json.loads((tmp_path / "out" / "lsg_conversion.json").read_text())
        assert record["options"]["dtype"] == "bfloat16"
        assert record["positions"] == "tile-all"

    def test_force_replaces(self, source: Path, tmp_path: Path) -> None:
        """What lsg-convert wrote, and says so; nothing else, whatever it is."""
        options = (source, "--output", "out", "--max-len", 128, "--force", "--no-verify")
        assert lsg_convert(*options, cwd=tmp_path).code == 0
        (tmp_path / "out" / "old.txt").write_text("old")
        shown = lsg_convert(*options, "--dry-run", cwd=tmp_path)
        assert "would be replaced" in shown.stdout
        done = lsg_convert(*options, cwd=tmp_path)
        assert done.code == 0, done.output
        assert "replaced the folder that lsg-convert had written" in done.stdout
        assert not (tmp_path / "out" / "old.txt").exists()
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        (tmp_path / "out" / "lsg_conversion.json").unlink()
        before = contents(tmp_path)
        refused = lsg_convert(*options, cwd=tmp_path)
        assert refused.code == 2 and "only folders that lsg-convert wrote" in refused.stderr
        assert "exists" in lsg_convert(*options, "--dry-run", cwd=tmp_path).stdout
        assert contents(tmp_path) == before

    def test_converted_folder_is_a_source(self, source: Path, tmp_path: Path) -> None:
        options = ("--no-verify", "--json")
        first = lsg_convert(source, "--max-len", 128, "--num-global-tokens", 5, "-o", "one", *options, cwd=tmp_path)
        second = lsg_convert("one", "--max-len", 300, "-o", "two", *options, cwd=tmp_path)
        assert first.code == second.code == 0, first.output + second.output
        assert second.json["is_lsg_source"] is True
        assert second.json["lsg"]["num_global_tokens"] == 5
        assert second.json["source_max_len"] == 128


class TestInspect:
    def test_shows_the_plan_and_writes_nothing(self, source: Path, tmp_path: Path) -> None:
        done = lsg_convert("inspect", source, cwd=tmp_path)
        assert done.code == 0, done.output
        assert "64 → 4096 tokens" in done.stdout
        assert contents(tmp_path) == {}

    def test_shows_what_a_folder_is(self, source: Path, tmp_path: Path) -> None:
        lsg_convert(source, "--max-len", 256, "--output", "out", "--no-verify", cwd=tmp_path)
        before = contents(tmp_path)
        shown = lsg_convert("inspect", "out", cwd=tmp_path)
        assert shown.code == 0, shown.output
        assert source.name in shown.stdout
        assert "256 tokens (source: 64)" in shown.stdout
        told = lsg_convert("inspect", "out", "--json", cwd=tmp_path).json
        assert told["converted"] is True
        assert told["max_len"] == 256
        assert contents(tmp_path) == before


class TestFamilies:
    def test_lists_every_family(self, tmp_path: Path) -> None:
        from lsg_convert.families import listed_families

        model_types = [family.model_type for family in listed_families()]
        done = lsg_convert("families", cwd=tmp_path)
        assert done.code == 0, done.output
        assert all(model_type in done.stdout for model_type in model_types)
        told = lsg_convert("families", "--json", cwd=tmp_path).json["families"]
        assert [family["model_type"] for family in told] == model_types
        assert all(family["heads"] for family in told)


class TestHelp:
    def test_loads_nothing_heavy(self, tmp_path: Path) -> None:
        code = (
            "import sys; from lsg_convert.cli.main import main; main(sys.argv[1:]); "
            f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
        )
        for arguments in (["--help"], ["convert", "--help"], ["verify", "--help"], ["--version"]):
            done = python(code, *arguments, cwd=tmp_path)
            assert done.stderr.strip() == "[]", arguments

    def test_is_quick(self, tmp_path: Path) -> None:
        """In processor seconds, which are what the clock shows when the machine has nothing else to do."""
        busy = []
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            assert lsg_convert("--help", cwd=tmp_path).code == 0
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            busy.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert min(busy) < 0.35

    def test_fits_a_terminal_and_cuts_no_option(self, tmp_path: Path) -> None:
        for command in ("", "convert", "verify", "push", "inspect", "families", "bench"):
            done = lsg_convert(*command.split(), "--help", cwd=tmp_path, COLUMNS="80")
            assert done.code == 0
            assert "…" not in done.stdout.replace("AutoModelFor…", "")
            assert max(map(len, done.stdout.splitlines())) <= 80

    def test_without_arguments_shows_help_and_fails(self, tmp_path: Path) -> None:
        done = lsg_convert(cwd=tmp_path)
        assert done.code == 2
        assert "Usage: lsg-convert" in done.stdout

    def test_mistyped_command_is_recognised(self, tmp_path: Path) -> None:
        done = lsg_convert("verfy", "folder", cwd=tmp_path)
        assert done.code == 2
        assert "Did you mean `lsg-convert verify`?" in done.stderr


class TestEnds:
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_interrupted_run_leaves_nothing(
        self, number: int, code: int, checkpoint: Callable[..., Path], tmp_path: Path
    ) -> None:
        source = checkpoint("bert", "BertModel", hidden_size=1024, intermediate_size=4096, num_hidden_layers=8)
        before = contents(source)
        process = subprocess.Popen(
            [COMMAND, str(source), "--output", str(tmp_path / "out"), "--max-len", "65536"],
            cwd=tmp_path,
            env=fresh_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".*/model*")) and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == code, stderr
        assert stderr.splitlines()[-1].startswith("Error: Interrupted")
        assert "Traceback" not in stderr
        assert contents(tmp_path) == {}
        assert contents(source) == before

    def test_reader_that_goes_away(self, tmp_path: Path) -> None:
        done = subprocess.run(
            f"'{COMMAND}' families | head -c 1",
            shell=True,
            cwd=tmp_path,
            env=fresh_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert "BrokenPipe" not in done.stderr

    def test_python_m_is_the_command(self, tmp_path: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "lsg_convert", "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stdout == lsg_convert("--version", cwd=tmp_path).stdout

    def test_names_cannot_drive_the_terminal(self, tmp_path: Path) -> None:
        done = lsg_convert("./no\x1b[31m\nError: done\u202e", cwd=tmp_path)
        assert done.code == 2
        assert "\x1b" not in done.stderr
        assert "\u202e" not in done.stderr
        assert "\nError: done" not in done.stderr

    def test_token_is_never_shown(self, tmp_path: Path) -> None:
        token = "hf_" + "abcdefghij" * 3
        for arguments in (["me/nothing", "--token", token], [f"./{token}"], ["convert", "a", "b", "--token", token]):
            for form in ([], ["--json"]):
                done = lsg_convert(*arguments, *form, cwd=tmp_path)
                assert done.code in (2, 3)
                assert token not in done.output


def test_code_is_what_a_folder_carries(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    assert (
        lsg_convert(
            checkpoint("bert"), "--output", "out", "--no-verify", "--attention-backend", "cpp", cwd=tmp_path
        ).code
        == 0
    )
    carried = (tmp_path / "out" / "modeling_lsg_bert.py").read_text()
    printed = lsg_convert("code", "bert", "--attention-backend", "cpp", cwd=tmp_path)
    assert (printed.code, printed.stdout, printed.stderr) == (0, carried, "")
    sha256 = hashlib.sha256(carried.encode()).hexdigest()
    assert f"`modeling_lsg_bert.py`, SHA-256 `{sha256}`" in (tmp_path / "out" / "README.md").read_text()
    written = lsg_convert("code", "bert", "--attention-backend", "cpp", "--output", "code.py", "--json", cwd=tmp_path)
    assert (written.json["sha256"], (tmp_path / "code.py").read_text()) == (sha256, carried)
    again = lsg_convert("code", "bert", "--output", "code.py", cwd=tmp_path)
    assert again.code == 2 and "exists already" in again.stderr and (tmp_path / "code.py").read_text() == carried


def test_code_of_an_unknown_family(tmp_path: Path) -> None:
    done = lsg_convert("code", "encoder-decoder/brt", cwd=tmp_path)
    assert done.code == 2 and "Did you mean encoder-decoder/bert" in done.stderr and not done.stdout
    assert lsg_convert("code", "bert", "--output", "no/such/place.py", cwd=tmp_path).code == 3
