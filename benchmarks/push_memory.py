"""Peak memory of publishing a large folder: `python benchmarks/push_memory.py [--gigabytes 1.6] [--limit-mb 700]`.

Makes a folder of that size, starts a Hub on loopback in a process of its own, runs the installed `lsg-convert push`
against it in a fresh process, and prints time, rate and peak resident memory as JSON. Exit code 1 above the limit.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO

sys.path.insert(0, str(Path(__file__).parents[1]))

from lsg_convert.folder.record import FORMAT, RECORD_NAME, hash_files
from lsg_convert.folder.writer import TensorEntry, write_safetensors
from tests.hub import LoopbackHub
from tests.hub.server import WRITE_TOKEN

TENSOR_BYTES = 64 * 2**20


def make_folder(folder: Path, size: int) -> None:
    """A folder that looks converted: weights of `size` bytes, and a record with their hashes."""

    def write(out: BinaryIO) -> None:
        for _ in range(TENSOR_BYTES // 2**20):
            out.write(os.urandom(2**20))

    folder.mkdir()
    count = max(1, round(size / TENSOR_BYTES))
    entries = [TensorEntry(f"layer.{number}", "F32", (TENSOR_BYTES // 4,), write) for number in range(count)]
    written = write_safetensors(folder, entries)
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    hashes = {file.path.name: file.sha256 for file in written}
    record = {"format": FORMAT, "tool": "lsg-convert", "files": hash_files(folder, hashes), "verification": None}
    (folder / RECORD_NAME).write_text(json.dumps(record))


def serve(folder: Path, ready: Connection) -> None:
    """Run a Hub until the other end of `ready` says a word."""
    with LoopbackHub(folder) as hub:
        ready.send(hub.environment(folder / "cache", WRITE_TOKEN))
        ready.recv()
        sizes = {path: file.size for path, file in hub.store.repositories["me/large"].files().items()}
        ready.send(sizes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.6)
    parser.add_argument("--limit-mb", type=int, default=700)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "large")
        make_folder(folder, int(options.gigabytes * 1e9))
        here, there = multiprocessing.Pipe()
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(Path(place, "hub"), there))
        server.start()
        environment = os.environ | here.recv()
        command = [str(Path(sysconfig.get_path("scripts"), "lsg-convert")), "push", str(folder), "me/large", "--json"]
        started = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        here.send("done")
        uploaded = sum(here.recv().values())
        server.join()
        size = sum(path.stat().st_size for path in folder.iterdir())
    peak = usage.ru_maxrss / 1024
    print(
        json.dumps(
            {
                "exit_code": os.waitstatus_to_exitcode(status),
                "gigabytes": round(size / 1e9, 3),
                "uploaded_whole": uploaded == size,
                "seconds": round(seconds, 1),
                "peak_rss_mb": round(peak),
                "limit_mb": options.limit_mb,
            }
        )
    )
    return 0 if status == 0 and uploaded == size and peak < options.limit_mb else 1


if __name__ == "__main__":
    sys.exit(main())
