"""Load folders of all families on several releases of transformers: `python .ci/matrix.py 4.48.3 5.0.0 newest`.

Each release gets a small environment under `.envs/` that shares this environment's torch and everything else that does
not depend on the release, so that a new one costs seconds and megabytes. The last release makes folders; every release
loads them, in one process, from the folder, saved again, by id from a Hub on loopback, and from the links in its cache.
The last one also loads what the first one made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.folder.everywhere import FORMS, Findings, load_everywhere  # noqa: E402

TOLERANCE = 1e-5
ENVIRONMENTS = ROOT / ".envs"
FOLDERS = ENVIRONMENTS / "folders"
NEWEST = "newest"
RELEASES = ["4.48.3", "4.57.6", "5.0.0", "5.5.4", "5.10.2", "5.12.1", NEWEST]
# What each release brings itself, and what must not be seen there: our own package.
OWN = ("transformers", "huggingface_hub", "tokenizers", "sentence_transformers", "lsg_convert", "__editable__", "_lsg",
       "pip", "setuptools", "distutils-precedence", "_virtualenv")  # fmt: skip


def main(releases: list[str]) -> int:
    """Make the environments, make folders, load them everywhere; return the number of releases that failed."""
    interpreters = {release: interpreter_of(release) for release in releases}
    shutil.rmtree(FOLDERS, ignore_errors=True)
    newest, oldest = releases[-1], releases[0]
    for maker in dict.fromkeys((newest, oldest)):
        run([interpreters[maker], "-m", "tests.folder.make", FOLDERS / maker])
    rows: list[tuple[str, dict[str, str]]] = []
    for release, interpreter in interpreters.items():
        for maker in [newest, oldest] if release == newest != oldest else [newest]:
            print(f"Loading on transformers {release} what {maker} made", flush=True)
            findings = load_everywhere(interpreter, FOLDERS / maker, ENVIRONMENTS, "quickly")
            rows.append((f"{release} (made on {maker})", summary(findings)))
            for name, found in findings.items():
                for form, error in found["errors"].items():
                    print(f"  {name}, {form}: {error}")
    columns = list(rows[0][1])
    width = max(len(name) for name, _ in rows)
    print("\n" + "  ".join([" " * width, *(f"{column:>14}" for column in columns)]))
    for name, cells in rows:
        print("  ".join([f"{name:{width}}", *(f"{cells[column]:>14}" for column in columns)]))
    return sum(any("FAILED" in cell for cell in cells.values()) for _, cells in rows)


def summary(findings: Findings) -> dict[str, str]:
    """A release's row: the largest difference in every form, and what happens without trust."""
    every = findings.values()
    row = {"folders": str(len(findings))}
    for form in FORMS:
        worst = max(found[form] for found in every)
        row[form] = f"{worst:.1e}" if worst <= TOLERANCE else f"FAILED {worst:.1e}"
    refused = all("trust_remote_code=True" in found.get("untrusted_message", "") for found in every)
    row["without trust"] = "refused" if refused else "FAILED"
    row["its tokenizer"] = "loads" if all(found["same_tokens"] for found in every) else "FAILED"
    asked = sum(found["tokenizer_asks"] for found in every)
    row["asks before"] = "no" if asked == 0 else "yes" if asked == len(findings) else str(asked)
    return row


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
        run([python, "-m", "pip", "install", "-q", f"transformers=={release}"])
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


def run(command: list[object]) -> None:
    """Run a program in the project's root, saying so."""
    words = [str(word) for word in command]
    print("+", " ".join(words), flush=True)
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "OMP_NUM_THREADS": "1",
    }
    subprocess.run(words, cwd=ROOT, env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or RELEASES))
