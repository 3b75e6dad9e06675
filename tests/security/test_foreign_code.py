"""No code of a source or of a folder runs but what is, byte for byte, ours."""

from __future__ import annotations

import importlib.util
import json
import os
import py_compile
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsg_convert import convert, verify
from lsg_convert.bench.run import run_benchmark
from lsg_convert.common.errors import RequestError
from lsg_convert.families import FAMILIES
from lsg_convert.folder.trusted_code import FolderCode, load_modules
from lsg_convert.plan.foreign_keys import FOREIGN_KEYS, without_foreign_keys
from tests.command import run
from tests.security.conftest import OPTIONS, edit_json

BERT = FAMILIES["bert"]
MODULE = "modeling_lsg_bert"


def _package(folder: Path, code: str) -> None:
    (folder / MODULE).mkdir()
    (folder / MODULE / "__init__.py").write_text(code)


def _bytecode(folder: Path, code: str) -> None:
    """Bytecode that Python takes without a look at the source: of an unchecked hash."""
    evil = folder / "evil.txt"
    evil.write_text(code)
    for path in list(folder.glob("*.py")):
        place = importlib.util.cache_from_source(str(path))
        Path(place).parent.mkdir(exist_ok=True)
        py_compile.compile(str(evil), place, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    evil.unlink()


def _library(folder: Path, code: str) -> None:
    for name in (MODULE, "lsg_options", "lsg_encoder"):
        (folder / f"{name}.abi3.so").write_bytes(b"\x7fELF, and to load it is an ImportError")
        (folder / f"{name}.so").write_bytes(b"\x7fELF")


def _shadow(folder: Path, code: str) -> None:
    """Modules of the names that ours import."""
    for name in ("torch", "warnings", "dataclasses", "transformers", "os"):
        (folder / f"{name}.py").write_text(code)


NEIGHBOURS: dict[str, Callable[[Path, str], None]] = {
    "a package of the module's name": _package,
    "bytecode with an unchecked hash": _bytecode,
    "compiled libraries": _library,
    "modules of the standard library's names": _shadow,
}


class TestNeighbours:
    @pytest.mark.parametrize("title", NEIGHBOURS)
    def test_of_a_folder_are_not_run(self, title: str, folder: Path, source: Path, canary: str) -> None:
        NEIGHBOURS[title](folder, canary)
        report = verify(folder, source, level="exact")
        assert {"loading", "parity, without globals"} <= {result.name for result in report.results if result.passed}
        run_benchmark(folder, lengths=[16], rounds=1)

    def test_of_a_source_do_not_come_along(self, source: Path, tmp_path: Path, canary: str) -> None:
        for build in NEIGHBOURS.values():
            build(source, canary)
        (source / "evil.py").write_text(canary)
        result = convert(source, output=tmp_path / "out", **OPTIONS)
        names = {path.name for path in result.output.rglob("*")}
        assert not {f"{MODULE}.so", "evil.py", "__pycache__", MODULE} & names
        assert {"evil.py", f"{MODULE}.so", f"{MODULE}/"} <= result.left_behind.keys()


class TestGate:
    def test_tampered_code_is_not_run(self, folder: Path, source: Path, canary: str) -> None:
        path = folder / f"{MODULE}.py"
        path.write_text(path.read_text() + canary)
        report = verify(folder, source, level="exact")
        assert {result.name: result.status for result in report.results}["loading"] == "not run"
        assert report.failed
        with pytest.raises(RequestError, match="--trust-remote-code"):
            run_benchmark(folder, lengths=[16], rounds=1)

    def test_an_auto_map_to_other_code_is_not_followed(self, folder: Path, source: Path, canary: str) -> None:
        (folder / "evil.py").write_text(canary)
        edit_json(folder / "config.json", auto_map={"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil"})
        verify(folder, source, level="exact")
        with pytest.raises(RequestError, match="auto_map"):
            run_benchmark(folder, lengths=[16], rounds=1)

    def test_what_is_trusted_is_the_folder_s_own_file(self, folder: Path, source: Path) -> None:
        path = folder / f"{MODULE}.py"
        trace = folder.parent / "trusted-code-ran"
        path.write_text(path.read_text() + f"\nimport pathlib\npathlib.Path({str(trace)!r}).mkdir()\n")
        _package(folder, "raise SystemExit('a neighbour')")
        report = verify(folder, source, level="exact", trust_remote_code=True)
        assert trace.exists()
        assert {result.name: result.status for result in report.results}["loading"] == "passed"

    def test_what_was_compared_is_what_runs(self, folder: Path, canary: str) -> None:
        code = FolderCode.read(folder, BERT)
        for path in folder.glob("*.py"):
            path.write_text(canary)
        assert code.foreign == ()
        assert code.load(BERT).LSGBertModel.__name__ == "LSGBertModel"

    def test_bench_ends_with_exit_code_2(self, folder: Path, canary: str, tmp_path: Path) -> None:
        path = folder / f"{MODULE}.py"
        path.write_text(path.read_text() + canary)
        from tests.command import lsg_convert

        done = lsg_convert("bench", folder, "--lengths", "16", cwd=tmp_path)
        assert done.code == 2 and "trust-remote-code" in done.stderr and "Traceback" not in done.output

    def test_a_link_to_code_elsewhere_is_refused(self, folder: Path, tmp_path: Path, canary: str) -> None:
        (tmp_path / "elsewhere.py").write_text(canary)
        (folder / "extra.py").symlink_to(tmp_path / "elsewhere.py")
        with pytest.raises(RequestError, match="leads out"):
            FolderCode.read(folder, BERT)


class TestModules:
    def test_import_each_other_and_nothing_else(self) -> None:
        files = {"a.py": b"from .b import value", "b.py": b"value = 3", "c.py": b"from .os import path"}
        module = load_modules(files, "a")
        assert module.value == 3 and load_modules(files, "a") is module
        with pytest.raises(ModuleNotFoundError, match="among the folder's own files"):
            load_modules(files, "c")
        assert load_modules({**files, "b.py": b"value = 4"}, "a").value == 4

    def test_may_import_late(self) -> None:
        files = {"a.py": b"def late():\n    from .b import value\n    return value", "b.py": b"value = 3"}
        assert load_modules(files, "a").late() == 3

    def test_their_source_shows_in_tracebacks(self) -> None:
        module = load_modules({"a.py": b"def f():\n    raise ValueError  # here\n"}, "a")
        with pytest.raises(ValueError) as caught:
            module.f()
        assert "here" in "".join(traceback.format_exception(caught.value))

    def test_one_that_is_missing_is_refused(self) -> None:
        with pytest.raises(RequestError, match=r"no b\.py"):
            load_modules({"a.py": b""}, "b")


KERNEL = "someone/kernels"


class TestKeys:
    @pytest.mark.parametrize("key", ["_attn_implementation", "attn_implementation", "_attn_implementation_internal"])
    def test_that_choose_an_attention_kernel_are_not_heeded(
        self, key: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Releases since 4.56 fetch `owner/name` from the Hub and run it."""
        asked: list[Any] = []
        for module in ("transformers.integrations.hub_kernels", "transformers.modeling_utils"):
            __import__(module)
            for name in ("load_and_register_attn_kernel", "lazy_import_flash_attention", "get_kernel"):
                if hasattr(sys.modules[module], name):
                    monkeypatch.setattr(sys.modules[module], name, lambda *args, **kwargs: asked.append(args))
        edit_json(source / "config.json", **{key: KERNEL})
        result = convert(source, output=tmp_path / "out", **OPTIONS)
        assert not asked
        assert KERNEL not in (result.output / "config.json").read_text()

    def test_travel_from_no_file(self, source: Path, tmp_path: Path, canary: str) -> None:
        evil = {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}, "custom_generate": "evil/evil"}
        evil |= {
            "_name_or_path": "evil/evil",
            "custom_pipelines": {"x": {"impl": "evil.Evil"}},
            "trust_remote_code": True,
        }
        for name in ("config", "generation_config", "tokenizer_config", "preprocessor_config", "processor_config"):
            edit_json(source / f"{name}.json", **evil, task_specific_params={"nested": [evil]})
        (source / "evil.py").write_text(canary)
        out = convert(source, output=tmp_path / "out", **OPTIONS).output
        for path in out.rglob("*.json"):
            if path.name != "lsg_conversion.json":
                assert "evil" not in path.read_text().lower(), path.name

    def test_quantized_weights_are_refused(self, source: Path, tmp_path: Path) -> None:
        edit_json(source / "config.json", quantization_config={"quant_method": "evil", "modules": "x.y"})
        with pytest.raises(RequestError, match="quantized"):
            convert(source, output=tmp_path / "out", **OPTIONS)

    def test_an_adapter_of_the_source_is_not_looked_for(self, source: Path, tmp_path: Path) -> None:
        edit_json(source / "adapter_config.json", base_model_name_or_path="evil/evil", peft_type="LORA")
        result = convert(source, output=tmp_path / "out", **OPTIONS)
        assert "adapter_config.json" in result.left_behind

    @settings(max_examples=200, deadline=None)
    @given(
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from([*sorted(FOREIGN_KEYS), "a", "b", "__class__"]), inner, max_size=4)
            ),
        )
    )
    def test_are_gone_at_every_depth(self, value: Any) -> None:
        def keys(part: Any) -> set[str]:
            if isinstance(part, dict):
                return set(part).union(*map(keys, part.values()))
            return set().union(*map(keys, part)) if isinstance(part, list) else set()

        assert not keys(without_foreign_keys({"x": value})) & {*FOREIGN_KEYS, "__class__"}


class TestModuleOption:
    def test_the_current_folder_is_not_imported_from(self, tmp_path: Path, canary: str) -> None:
        for name in ("typer", "rich", "click", "yaml", "torch", "transformers", "tokenizers", "numpy"):
            (tmp_path / f"{name}.py").write_text(canary)
        done = run([sys.executable, "-m", "lsg_convert", "families", "--json"], cwd=tmp_path)
        assert done.code == 0, done.output
        assert json.loads(done.stdout)


@pytest.mark.skipif(not shutil.which("g++"), reason="a C++ compiler is needed")
class TestCompiledKernel:
    CODE = (
        "import warnings; warnings.simplefilter('error')\n"
        "from lsg_convert.modeling import lsg_cpp\n"
        "print(lsg_cpp._own_folder())"
    )

    def _folder(self, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **variables}
        return subprocess.run(
            [sys.executable, "-c", self.CODE], cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )

    def test_lies_in_a_folder_of_the_user_s_alone(self, tmp_path: Path) -> None:
        done = self._folder(tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"))
        assert done.stdout.strip() == str(tmp_path / "cache" / "lsg-attention")
        assert (tmp_path / "cache" / "lsg-attention").stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("kind", ["open to others", "a link"])
    def test_is_not_loaded_from_another(self, kind: str, tmp_path: Path) -> None:
        place = tmp_path / "cache" / "lsg-attention"
        place.parent.mkdir()
        if kind == "a link":
            (tmp_path / "theirs").mkdir(mode=0o700)
            place.symlink_to(tmp_path / "theirs")
        else:
            place.mkdir()
            place.chmod(0o777)
        done = self._folder(tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"))
        assert done.returncode == 1 and "not a folder of yours alone" in done.stderr
