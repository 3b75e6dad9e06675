"""What is published: the same bytes whoever builds it; the wheel, installed where the checkout is not, has what ships,
converts, and its folders load.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import tomllib
import transformers

from tests.command import run

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def build(project: Path, target: Path) -> list[Path]:
    """Source distribution and wheel of a copy of this checkout, written to `project`."""
    pytest.importorskip("hatchling", reason="the build backend is not installed: pip install -e '.[dev]'")
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["sdist"]
    for name in (*listed["include"], "pyproject.toml"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, project)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(target)], cwd=project, check=True)
    return sorted(target.iterdir())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheel of this checkout and its source distribution."""
    return build(tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def wheel(built: list[Path]) -> Path:
    """The wheel of this checkout."""
    return next(path for path in built if path.suffix == ".whl")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that has the wheel, and everything else but the checkout from here."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    site_packages = next(folder.glob("lib/python*/site-packages"))
    shared = folder / "shared"
    shared.mkdir()
    for entry in Path(transformers.__file__).parents[1].iterdir():
        if entry.suffix != ".pth" and not entry.name.startswith(("lsg_convert", "__editable__", "_lsg")):
            (shared / entry.name).symlink_to(entry)
    (site_packages / "shared.pth").write_text(f"{shared}\n")
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*command, str(wheel)], check=True)
    return folder / "bin"


def test_built_again_they_are_the_same_bytes(built: list[Path], tmp_path: Path) -> None:
    """In another folder, on another day, with other permissions."""
    before = os.umask(0o077)
    try:
        (tmp_path / "elsewhere").mkdir()
        again = build(tmp_path / "elsewhere", tmp_path / "dist")
    finally:
        os.umask(before)
    assert [path.name for path in again] == [path.name for path in built] and len(built) == 2
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in built]


def test_the_source_distribution_has_its_tests_and_what_they_take(built: list[Path]) -> None:
    with tarfile.open(next(path for path in built if path.suffix == ".gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"tests/conftest.py", "examples/serve.py", ".ci/run", "docs/README.md", "Makefile", "LICENSE"} <= names


def test_carries_what_ships(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {f"lsg_convert/modeling/{path.name}" for path in (ROOT / "lsg_convert" / "modeling").glob("*.py")}
    shipped |= {str(path.relative_to(ROOT)) for path in (ROOT / "lsg_convert").rglob("*.md")}
    assert shipped <= names and "lsg_convert/folder/card_template.md" in shipped
    assert "lsg_convert/py.typed" in names
    assert not [name for name in names if not name.startswith(("lsg_convert/", "lsg_convert-"))]


def test_answers(installed: Path, tmp_path: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for option in ("--version", "-V"):
        assert run([str(installed / "lsg-convert"), option], tmp_path).stdout == f"lsg-convert {version}\n"
    families = run([str(installed / "lsg-convert"), "families", "--json"], tmp_path)
    assert {"bert", "bart", "t5"} <= {family["model_type"] for family in families.json["families"]}


def test_converts_and_loads(installed: Path, checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    where = run([str(installed / "python"), "-I", "-c", "import lsg_convert; print(lsg_convert.__file__)"], tmp_path)
    assert str(installed.parent) in where.stdout
    source = checkpoint("bart", "BartForConditionalGeneration")
    done = run([str(installed / "lsg-convert"), str(source), "--max-len", "256", "--output", "out"], tmp_path)
    assert done.code == 0, done.output
    code = (
        "import sys; sys.modules['lsg_convert'] = None\n"
        "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer\n"
        "model = AutoModelForSeq2SeqLM.from_pretrained('out', trust_remote_code=True)\n"
        "tokens = AutoTokenizer.from_pretrained('out')('A long text. ' * 300, truncation=True, return_tensors='pt')\n"
        "print(type(model).__name__, tokens['input_ids'].shape[1])\n"
        "print(model.generate(**tokens, max_new_tokens=4, min_new_tokens=4, num_beams=5).shape[1])\n"
    )
    loaded = run([str(installed / "python"), "-I", "-c", code], tmp_path)
    assert loaded.code == 0, loaded.output
    assert loaded.stdout.split()[:2] == ["LSGBartForConditionalGeneration", "256"]
