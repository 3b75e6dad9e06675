"""Run the folder tests on several releases of transformers: `python .ci/matrix.py 4.48.3 5.0.0 newest`.

Each release gets a small environment under `.envs/` that shares this environment's torch and everything else that does
not depend on the release, so that a new one costs seconds and megabytes. Folders are made by the first and the last
release named, and loaded by all of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / ".envs"
FOLDERS = ENVIRONMENTS / "folders"
NEWEST = "newest"
# What each release brings itself, and what must not be seen there: our own package.
OWN = ("transformers", "huggingface_hub", "tokenizers", "sentence_transformers", "lsg_convert", "__editable__", "_lsg",
       "pip", "setuptools", "distutils-precedence", "_virtualenv")  # fmt: skip


def main(releases: list[str]) -> int:
    """Make the environments, make folders, load them everywhere; return the number of releases that failed."""
    interpreters = {release: interpreter_of(release) for release in releases}
    shutil.rmtree(FOLDERS, ignore_errors=True)
    for release in dict.fromkeys((releases[0], releases[-1])):
        run([interpreters[release], "-m", "tests.folder.make", FOLDERS / release], check=True)
    results = {release: test(interpreter) for release, interpreter in interpreters.items()}
    print("\ntransformers  folder tests")
    for release, code in results.items():
        print(f"{release:13} {'passed' if code == 0 else f'FAILED (exit code {code})'}")
    return sum(code != 0 for code in results.values())


def interpreter_of(release: str) -> Path:
    """Return the Python of the environment with this release, made if it is missing."""
    if release == NEWEST:
        return Path(sys.executable)
    folder = ENVIRONMENTS / release
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"Making the environment for transformers {release}", flush=True)
        venv.create(folder, with_pip=True)
        site_packages = next(folder.glob("lib/python*/site-packages"))
        (site_packages / "shared.pth").write_text(f"{shared_packages()}\n")
        run([python, "-m", "pip", "install", "-q", f"transformers=={release}"], check=True)
        (folder / "complete").touch()
    return python


def shared_packages() -> Path:
    """Return a folder of links to everything installed here that no release of transformers brings itself."""
    shared = ENVIRONMENTS / "shared"
    shutil.rmtree(shared, ignore_errors=True)
    shared.mkdir(parents=True)
    for folder in sys.path:
        for entry in Path(folder).iterdir() if Path(folder).name == "site-packages" else ():
            if not entry.name.startswith(OWN) and entry.suffix != ".pth" and not (shared / entry.name).exists():
                (shared / entry.name).symlink_to(entry)
    return shared


def test(interpreter: Path) -> int:
    """Run the folder tests with one interpreter."""
    options = ["-q", "-p", "no:cacheprovider", "tests/folder"]
    return run([interpreter, "-m", "pytest", *options], LSG_CONVERT_FOLDERS=str(FOLDERS)).returncode


def run(command: list[object], check: bool = False, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run a program in the project's root, saying so."""
    words = [str(word) for word in command]
    print("+", " ".join(words), flush=True)
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "OMP_NUM_THREADS": "1",
        **variables,
    }
    return subprocess.run(words, cwd=ROOT, env=environment, check=check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["4.48.3", "4.57.6", "5.0.0", NEWEST]))
