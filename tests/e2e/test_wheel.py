"""The built wheel, installed where the checkout is not: it carries what ships, converts, and its folders load."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import run

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built from a copy of what git would package."""
    pytest.importorskip("hatchling", reason="the build backend is not installed: pip install -e '.[dev]'")
    project, target = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("dist")
    shutil.copytree(ROOT / "lsg_convert", project / "lsg_convert", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(target), str(project)], check=True)
    return next(target.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that has the wheel, and everything else but the checkout from here."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    site_packages = next(folder.glob("lib/python*/site-packages"))
    shared = folder / "shared"
    shared.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.suffix != ".pth" and not entry.name.startswith(("lsg_convert", "__editable__", "_lsg")):
            (shared / entry.name).symlink_to(entry)
    (site_packages / "shared.pth").write_text(f"{shared}\n")
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*command, str(wheel)], check=True)
    return folder / "bin"


def test_carries_what_ships(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {f"lsg_convert/modeling/{path.name}" for path in (ROOT / "lsg_convert" / "modeling").glob("*.py")}
    assert shipped <= names
    assert "lsg_convert/py.typed" in names
    assert not [name for name in names if not name.startswith(("lsg_convert/", "lsg_convert-"))]


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
