"""Time and memory of converting a BART-large-sized checkpoint, against copying it: `python benchmarks/conversion.py`.

Sides take turns; each figure is the median of the rounds. The disk is synced before every run. A conversion flushes
what it wrote before it gives the folder its name, `cp -r` leaves its copy in memory: the copy that is flushed too is
measured beside it. Bars: at most 1.5 × `cp -r` + 2 s, and 600 MB of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from lsg_convert.bench.meter import in_turns

ROOT = Path(__file__).resolve().parent.parent
COMMAND = str(Path(sysconfig.get_path("scripts")) / "lsg-convert")
MAKE_SOURCE = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from transformers import BartConfig, BartForConditionalGeneration
from tests.tiny_tokenizers import write_tokenizer
folder = Path(sys.argv[1])
model = BartForConditionalGeneration(BartConfig(tie_word_embeddings=True))
model.save_pretrained(folder, max_shard_size="100GB")
write_tokenizer("bart", folder, 1024)
"""


def main() -> None:
    """Make the source, run both sides in turns, print a table, write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--verify", action="store_true", help="measure the default, verified conversion too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as place:
        figures = measure(Path(place), arguments.rounds, arguments.verify)
    report(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(place: Path, rounds: int, verify: bool) -> dict[str, object]:
    """Return the medians of all sides."""
    source, target = place / "bart-large", place / "out"
    subprocess.run([sys.executable, "-c", MAKE_SOURCE.format(root=str(ROOT)), str(source)], check=True)
    size = sum(path.stat().st_size for path in source.rglob("*"))
    convert = [COMMAND, str(source), "--output", str(target), "--max-len", "4096", "--quiet"]
    flushed = 'cp -r "$0" "$1" && sync "$1"/* "$1"'
    sides = {
        "cp -r": ["cp", "-r", str(source), str(target)],
        "cp -r, flushed": ["sh", "-c", flushed, str(source), str(target)],
        "lsg-convert --no-verify": [*convert, "--no-verify"],
    }
    if verify:
        sides["lsg-convert"] = convert
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    memory: dict[str, list[float]] = {name: [] for name in sides}
    processor: dict[str, list[float]] = {name: [] for name in sides}
    for _, name, command in in_turns(sides, rounds):
        elapsed, busy, peak = run(command)
        seconds[name].append(elapsed)
        memory[name].append(peak)
        processor[name].append(busy)
        shutil.rmtree(target)
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "source_bytes": size,
        "rounds": rounds,
        # The first round warms the page cache.
        "seconds": {name: statistics.median(values[1:]) for name, values in seconds.items()},
        # What it would take on a machine with nothing else to do: the wall clock includes waiting for others.
        "cpu_seconds": {name: statistics.median(values[1:]) for name, values in processor.items()},
        "load_average": os.getloadavg()[0],
        "spread": {name: [min(values[1:]), max(values[1:])] for name, values in seconds.items()},
        "peak_rss_mb": {name: max(values) for name, values in memory.items()},
    }


def run(command: list[str]) -> tuple[float, float, float]:
    """Return the seconds by the clock, those of the processor, and the peak memory in MB of one run."""
    os.sync()
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed with {process.returncode}")
    return elapsed, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def report(figures: dict) -> None:
    """Print the figures and whether they meet the bars."""
    size = f"{figures['source_bytes'] / 1e9:.2f} GB"
    print(f"{size}, {figures['rounds']} rounds, {figures['machine']}, load {figures['load_average']:.1f}")
    print(f"{'':26}{'seconds':>9}{'spread':>16}{'cpu s':>8}{'peak MB':>9}")
    for name, seconds in figures["seconds"].items():
        low, high = figures["spread"][name]
        print(
            f"{name:26}{seconds:9.2f}{f'{low:.2f}–{high:.2f}':>16}{figures['cpu_seconds'][name]:8.2f}{figures['peak_rss_mb'][name]:9.0f}"
        )
    convert = figures["seconds"]["lsg-convert --no-verify"]
    memory = figures["peak_rss_mb"]["lsg-convert --no-verify"]
    for name in ("cp -r", "cp -r, flushed"):
        bar = 1.5 * figures["seconds"][name] + 2
        print(f"time:   {convert:.2f} s, 1.5 × {name} + 2 s = {bar:.2f} s: {'met' if convert <= bar else 'MISSED'}")
    print(f"memory: {memory:.0f} MB, bar 600 MB: {'met' if memory <= 600 else 'MISSED'}")


if __name__ == "__main__":
    main()
