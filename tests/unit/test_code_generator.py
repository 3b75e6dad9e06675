"""The generator of code files: what it keeps and refuses; that its files are formatted, clean, and always the same."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lsg_convert.families import FAMILIES, PAIRS, Family
from lsg_convert.folder.code_generator import Generated, Sources, generate
from lsg_convert.folder.remote_code import OPTIONAL, code_name, modeling_files, parts_of, ships

ROOT = Path(__file__).resolve().parents[2]
EVERY = [*FAMILIES.values(), *PAIRS.values()]
BACKENDS = ("auto", *OPTIONAL["attention_backend"])
LINES_OF_BERT = 2330

Generate = Callable[..., Generated]


@pytest.fixture
def generated(tmp_path: Path) -> Generate:
    """`generated(a="…", b="…")` generates from modules a, b, …; the first one's definitions are what is wanted."""

    def make(left_out: tuple[str, ...] = (), constants: dict[str, str] | None = None, **modules: str) -> Generated:
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        sources = Sources(tmp_path, left_out, constants or {})
        first = next(iter(modules))
        wanted = [(first, name) for found in sources.module(first).definitions for name in found.names]
        return generate(sources, wanted)

    return make


def run(made: Generated) -> dict[str, object]:
    """The module that the generated code is."""
    scope: dict[str, object] = {}
    exec(f"{made.imports}\n{made.body}", scope)
    return scope


def code_of(family: Family, backend: str = "auto", kind: str = "norm", **options: str) -> str:
    asked = {"attention_backend": backend, "sparsity_type": kind, **options}
    (code,) = modeling_files(family, parts_of(asked)).values()
    return code.decode()


class TestGenerate:
    def test_what_is_not_reached_is_dropped(self, generated: Generate) -> None:
        made = generated(
            a="from .b import used\n\n\ndef start():\n    return used()\n",
            b="import json\nimport math\n\nX = 2\nY = json.dumps(3)\n\n\ndef used():\n    return math.sqrt(X)\n\n\n"
            "def unused():\n    return Y\n",
        )
        assert made.modules == ("b", "a")
        assert made.imports == "import math"
        assert "Y" not in made.body and "unused" not in made.body
        assert run(made)["start"]() == pytest.approx(2**0.5)

    def test_a_class_that_only_annotations_mention_is_there_by_name(self, generated: Generate) -> None:
        made = generated(
            a='from .b import B, C\n\n\ndef start(b: B | None, c: "C | None" = None) -> object:\n    return C\n',
            b='class B:\n    """A thing.\n\n    Long.\n    """\n\n    secret = 1\n\n\n'
            'class C:\n    """Another."""\n\n    x = 5\n',
        )
        scope = run(made)
        assert not hasattr(scope["B"], "secret") and scope["B"].__doc__.startswith("A thing.")
        assert scope["C"].x == 5, "used in the body too"

    def test_comments_and_decorators_stay_with_what_they_belong_to(self, generated: Generate) -> None:
        text = "from functools import cache\n\n# Why.\nX = 1  # one\n\n\n# Two.\n@cache\ndef f():\n    return X\n"
        assert "# Why.\nX = 1  # one\n\n\n# Two.\n@cache\ndef f():\n    return X" in generated(a=text).body

    def test_equal_definitions_are_one(self, generated: Generate) -> None:
        made = generated(
            a="import logging\n\nfrom .b import g\n\nlogger = logging.getLogger(__name__)\n\n\n"
            "def f():\n    g(logger)\n",
            b="import logging\n\nlogger = logging.getLogger(__name__)\n\n\ndef g(x):\n    return logger\n",
        )
        assert made.body.count("logger = ") == 1
        assert made.body.startswith("logger = ")

    @pytest.mark.parametrize(
        ("modules", "reason"),
        [
            (
                {"a": "from .b import g\nX = 1\nY = g\n", "b": "X = 2\n\n\ndef g():\n    return X\n"},
                "X is one thing in",
            ),
            (
                {"a": "from math import e\nfrom .b import g\nY = g, e\n", "b": "from os import name as e\ng = e\n"},
                "e is one thing in",
            ),
            ({"a": "from .b import g\ninput = g\n", "b": "g = 1\n"}, "as Python does"),
            ({"a": "from .b import g\nX = g\n", "b": "from .a import X\ng = X\n"}, "import each other"),
            ({"a": "from .b import g\nX = g\n", "b": "h = 1\n"}, "does not define"),
            ({"a": "from .b import g as h\nX = h\n", "b": "g = 1\n"}, "`from .module import name`"),
            ({"a": "if True:\n    X = 1\n"}, "line 1"),
        ],
    )
    def test_what_cannot_be_merged_is_said(self, generated: Generate, modules: dict[str, str], reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            generated(**modules)

    def test_branches_of_what_is_left_out_go(self, generated: Generate) -> None:
        chain = (
            "from .fast import can\n\n\ndef f(x):\n    if x < 0:\n        return 'negative'\n    if can(x):\n"
            "        return 'fast'\n    elif x == 1:\n        return 'one'\n"
            "    elif can(x + 1):\n        return 'faster'\n"
            "    else:\n        return 'slow'\n"
        )
        fast = "def can(x):\n    return x > 1\n"
        without, whole = (generated(left_out=out, a=chain, fast=fast) for out in (("fast",), ()))
        assert "can" not in without.body and "can" in whole.body
        assert [run(without)["f"](x) for x in (-1, 1, 7)] == ["negative", "one", "slow"]
        assert [run(whole)["f"](x) for x in (-1, 1, 7)] == ["negative", "one", "fast"]

    def test_what_is_left_out_must_not_be_needed(self, generated: Generate) -> None:
        with pytest.raises(ValueError, match=r"a\.py uses can of fast\.py, which is left out"):
            generated(("fast",), a="from .fast import can\nX = can\n", fast="can = 1\n")
        with pytest.raises(ValueError, match="an else depends on it"):
            generated(
                ("fast",),
                b="from .fast import can\n\n\ndef f():\n    if can:\n        return 1\n    else:\n        return 2\n",
            )

    def test_constants_are_set(self, generated: Generate) -> None:
        made = generated(constants={"X": '("a",)'}, a="X: tuple[str, ...] = ()  # none\n")
        assert made.body.endswith('X: tuple[str, ...] = ("a",)')


class TestFiles:
    @pytest.mark.slow
    def test_are_formatted_and_clean(self, tmp_path: Path) -> None:
        for family in EVERY:
            for backend in BACKENDS:
                name = f"{family.model_type.replace('/', '_').replace('-', '_')}_{backend}.py"
                (tmp_path / name).write_text(code_of(family, backend), encoding="utf-8")
        for command in (["check"], ["format", "--check"]):
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *command, "--no-cache", "--config", ROOT / "pyproject.toml", tmp_path],
                capture_output=True, text=True, check=False, timeout=120,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.parametrize("family", EVERY, ids=lambda family: family.model_type)
    def test_have_every_class_and_no_neighbour(self, family: Family) -> None:
        for backend in BACKENDS:
            tree = ast.parse(code_of(family, backend))
            imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
            assert not [node for node in imports if isinstance(node, ast.ImportFrom) and node.level]
            classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
            assert {name.rpartition(".")[2] for name in family.auto_map().values()} <= classes.keys()
            (config,) = (name.rpartition(".")[2] for auto, name in family.auto_map().items() if auto == "AutoConfig")
            assert config in classes
            assert f'model_type = "{family.lsg_model_type}"\n' in code_of(family, backend)

    def test_are_the_same_in_another_process(self) -> None:
        code = (
            "import hashlib\nfrom lsg_convert.families import *\nfrom lsg_convert.folder.remote_code import *\n"
            "code = b''.join(code for family in FAMILIES.values() for code in modeling_files(family).values())\n"
            "print(hashlib.sha256(code).hexdigest())"
        )
        found = {
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed},
                cwd=ROOT,
            ).stdout
            for seed in ("1", "2")
        }  # fmt: skip
        assert len(found) == 1

    def test_bert_is_not_long(self) -> None:
        assert code_of(FAMILIES["bert"]).count("\n") <= LINES_OF_BERT

    def test_lsh_is_in_it_only_if_asked_for(self) -> None:
        bert = FAMILIES["bert"]
        without, with_lsh = code_of(bert), code_of(bert, kind="lsh")
        assert "_bucket_sums" not in without and 'LEFT_OUT: tuple[str, ...] = ("flex", "cpp", "lsh", ' in without
        assert "_bucket_sums" in with_lsh and "lsg-convert code bert --sparsity-type lsh" in with_lsh.replace("\n", " ")
        assert ships(bert, f"{bert.modeling_file}.py", code_of(bert, "cpp", "lsh").encode())

    def test_sliding_attention_is_in_it_where_it_is_used(self) -> None:
        holders = {name for name, family in FAMILIES.items() if "keep_band" in code_of(family)}
        assert holders == {"longformer", "led", "modernbert"}
        bert = FAMILIES["bert"]
        asked = {"local_attention": "sliding"}
        assert "keep_band" in code_of(bert, **asked)
        assert ships(bert, f"{bert.modeling_file}.py", code_of(bert, "cpp", "lsh", **asked).encode())
        assert '"sliding")' in code_of(bert).partition("LEFT_OUT: ")[2].partition("\n")[0]

    def test_position_bias_is_in_it_only_where_it_is_used(self) -> None:
        holders = {name for name, family in FAMILIES.items() if "self._by_distance" in code_of(family)}
        assert holders == {"mpnet", "t5", "mt5", "umt5"}

    def test_optional_backends_are_in_it_only_if_asked_for(self) -> None:
        bert = FAMILIES["bert"]
        assert "attend_by_flex" not in code_of(bert) and "#include" not in code_of(bert)
        assert "attend_by_flex" in code_of(bert, "flex") and "#include" not in code_of(bert, "flex")
        assert "#include" in code_of(bert, "cpp") and "attend_by_flex" not in code_of(bert, "cpp")
        assert code_of(bert, "sdpa") == code_of(bert)
        name = f"{bert.modeling_file}.py"
        assert all(ships(bert, name, code_of(bert, backend).encode()) for backend in BACKENDS)
        assert not ships(bert, name, code_of(bert).encode() + b"\n")

    def test_says_what_makes_it_again(self) -> None:
        for family in (FAMILIES["bert"], PAIRS["encoder-decoder/bert"]):
            assert f"`lsg-convert code {family.model_type} --attention-backend cpp`" in code_of(family, "cpp").replace(
                "\n", " "
            )

    def test_names_itself_by_its_content(self) -> None:
        parts = [parts_of({"attention_backend": backend}) for backend in BACKENDS]
        names = {code_name(family, asked) for family in EVERY for asked in parts}
        assert len(names) == len(EVERY) * len(BACKENDS) and all(len(name) == 16 for name in names)
        bert = FAMILIES["bert"]
        assert f'LSG_CODE = "{code_name(bert, parts[-1])}"  #' in code_of(bert, "cpp")
