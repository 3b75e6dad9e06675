"""Runs the command on damaged folders, every case in a process forked from this one, which has the libraries loaded.

    python -m tests.reliability.fuzz_worker light|heavy BASES WORK FIRST COUNT

`light` are commands that do without torch: a process without it is forked in a fraction of the time. `BASES` holds
sound folders; a line of JSON is printed for every case that went wrong, and one with the counts.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import typer

from tests.reliability.mutate import CANARY, damage

LIMIT_S, LIMIT_BYTES = 30, 12 * 2**30
SECRET = "a secret beside the folder 7f3a"
FOREIGN = {  # the files of each base that somebody else wrote
    "plain": ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "modules.json",
              "generation_config.json", "README.md", "model.safetensors"),
    "pair": ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "model.safetensors"),
    "sharded": ("model.safetensors.index.json", "config.json", "model-00001-of-00002.safetensors"),
    "bin": ("pytorch_model.bin",),
    "converted": ("lsg_conversion.json", "config.json", "README.md", "tokenizer_config.json", "model.safetensors"),
    "saved": ("config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors"),  # again, by the library
}  # fmt: skip
SHORT = ("--max-len", "256", "--block-size", "16", "--sparse-block-size", "16")
# (base, command, how often)
COMMANDS: dict[str, tuple[tuple[str, tuple[str, ...], int], ...]] = {
    "light": (
        ("plain", ("inspect", "folder", "--json"), 30),
        ("plain", ("folder", *SHORT, "-o", "out", "--dry-run"), 10),
        ("pair", ("inspect", "folder"), 12),
        ("sharded", ("inspect", "folder", "--json"), 8),
        ("converted", ("inspect", "folder", "--json"), 8),
        ("converted", ("inspect", "folder", "--max-len", "512"), 5),
        ("converted", ("push", "folder", "me/x", "--dry-run", "--json"), 14),
        ("converted", ("push", "folder", "me/x", "--dry-run", "--no-verify"), 7),
        ("saved", ("inspect", "folder", "--json"), 8),
        ("saved", ("push", "folder", "me/x", "--dry-run", "--json"), 8),
    ),
    "heavy": (
        ("plain", ("folder", *SHORT, "-o", "out", "--no-verify"), 30),
        ("pair", ("folder", *SHORT, "-o", "out", "--no-verify"), 10),
        ("bin", ("inspect", "folder"), 25),
        ("converted", ("verify", "folder", "--level", "integrity", "--json"), 20),
        ("saved", ("verify", "folder", "--level", "integrity", "--json"), 10),
        ("plain", ("folder", *SHORT, "-o", "out"), 3),
        ("converted", ("verify", "folder", "--level", "exact"), 3),
        ("converted", ("bench", "folder", "--lengths", "32", "--json"), 5),
    ),
}
ALLOWED = {"verify": {0, 1, 2}, "bench": {0, 2}, "push": {0, 2}, "inspect": {0, 2}, "folder": {0, 1, 2}}


def case(number: int, kind: str, bases: Path, work: Path) -> tuple[str, int, list[str]]:
    """Run one case: what it was, its exit code, and what is wrong with how it went."""
    chance = random.Random(f"{kind} {number}")
    commands = COMMANDS[kind]
    base, command, _ = chance.choices(commands, [often for *_, often in commands])[0]
    place = work / "case"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    (place / "secret").write_text(SECRET)
    folder = Path(shutil.copytree(bases / base, place / "folder", symlinks=True))
    names = [name for name in FOREIGN[base] if (folder / name).exists()]
    done = [
        damage(folder / name, chance) for name in chance.sample(names, chance.choice((1, 1, 1, min(2, len(names)))))
    ]
    title = f"{number}: {' '.join(command)} | {', '.join(done)}"
    before = _tree(place)
    code, output, seconds = _run([*command], place, work)
    return title, code, _problems(command[0], code, output, seconds, before, place)


def _problems(command: str, code: int, output: str, seconds: float, before: dict[str, str], place: Path) -> list[str]:
    problems = []
    if code not in ALLOWED[command] and not (code == 3 and re.search("ymlink loop|levels of symbolic links", output)):
        problems.append(f"exit code {code} after {seconds:.1f} s")
    if "Traceback" in output or "Unexpected " in output:
        problems.append("traceback")
    if any(not (character.isprintable() or character == "\n") for character in output):
        problems.append("something printed raw")
    if SECRET in output or (place / CANARY).exists():
        problems.append("a secret read, or code run")
    after = _tree(place)
    new = {name.split("/")[0] for name in after.keys() - before.keys()}
    # `verify` keeps its report in the folder it verifies
    kept = {
        name for name in before if command != "verify" or not name.endswith(("README.md", ".png", "conversion.json"))
    }
    if any(after.get(name) != before[name] for name in kept):
        problems.append("a byte was lost")
    if new - {"folder", "out"} or (code and "out" in new):
        problems.append(f"left behind: {sorted(new)}")
    problems += [
        f"a secret carried along in {path.name}"
        for path in (place / "out").rglob("*")
        if path.is_file() and path.suffix != ".safetensors" and SECRET in path.read_text(errors="replace")
    ]
    return problems and [*problems, output[-1500:]]


def _run(command: list[str], place: Path, work: Path, modules: Path | None = None) -> tuple[int, str, float]:
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _child(command, place, work, modules)
    _, status = os.waitpid(child, 0)
    output = (work / "output").read_text(encoding="utf-8", errors="backslashreplace")
    return os.waitstatus_to_exitcode(status), output, time.monotonic() - started


def _child(command: list[str], place: Path, work: Path, modules: Path | None) -> None:
    code = 99
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LIMIT_S)
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.chdir(place)
        descriptor = os.open(work / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number in (1, 2):
            os.dup2(descriptor, number)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        from lsg_convert.cli.main import main

        code = main(command)
        sys.stdout.flush()
        sys.stderr.flush()
        if modules:
            modules.write_text(" ".join(sys.modules))
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _tree(place: Path) -> dict[str, str]:
    found = {}
    for root, folders, files in os.walk(place):
        for name in (*folders, *files):
            path = Path(root, name)
            if path.is_symlink():
                what = f"→ {path.readlink()}"
            elif path.is_file():
                what = hashlib.blake2b(path.read_bytes()).hexdigest()
            else:
                what = "folder" if path.is_dir() else "special"
            found[path.relative_to(place).as_posix()] = what
    return found


def _warm_up(kind: str, bases: Path, work: Path) -> None:
    """Import here, once, what the commands import: a process forked for that says what it is.

    The command line itself is built once, too: that takes twice as long as what it then does.
    """
    place = Path(shutil.copytree(bases, work / "warm"))
    light = (["inspect", "plain"], ["inspect", "converted"], ["push", "converted", "me/x", "--dry-run", "--json"])
    heavy = (["plain", *SHORT, "-o", "out", "--no-verify"], ["verify", "converted", "--level", "integrity"])
    for command in light if kind == "light" else heavy:
        code, output, _ = _run(command, place, work, modules=work / "modules")
        assert code == 0, output
        for name in (work / "modules").read_text().split():
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    from lsg_convert.cli import app

    built = typer.main.get_command(app.build_app())
    app.build_app = lambda: built  # type: ignore[assignment,return-value]
    gc.collect()
    gc.freeze()


def main() -> None:
    kind, bases, work = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    _warm_up(kind, bases, work)
    counts: Counter[str] = Counter()
    for number in range(int(sys.argv[4]), int(sys.argv[4]) + int(sys.argv[5])):
        title, code, problems = case(number, kind, bases, work)
        counts["cases"] += 1
        counts[str(code)] += 1
        if problems:
            print(json.dumps({"case": title, "problems": problems}), flush=True)
    print(json.dumps({"counts": counts}), flush=True)


if __name__ == "__main__":
    main()
