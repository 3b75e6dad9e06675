"""Time and memory of encoders of one size, in turns: `python benchmarks/speed.py --sides lsg,dense --tokens 4096,8192`.

Every side is a process of its own; they take turns, so that what else the machine does meets all of them alike. Figures
are medians over the rounds, ratios those of medians, against the first side. Memory is the peak above the weights in
the run that warms up, since measuring it takes time. What does not fit into memory side by side is measured with
`--alone`: every turn of a side starts its process anew, runs 512 tokens to warm up, and ends it.
`--beside 1` keeps one processor busy meanwhile; `lsg@1` is a side that uses one thread, whatever `--threads` says.
`lsg-converter` runs in the environment that `benchmarks/peers.py` makes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lsg_convert.bench.meter import in_turns  # noqa: E402
from lsg_convert.bench.plot import write_plot  # noqa: E402
from lsg_convert.bench.run import describe_machine  # noqa: E402

PEERS = HERE.parent / ".envs" / "lsg-converter" / "bin" / "python"


class Side:
    """A process that runs one model, started when it is first asked to."""

    def __init__(self, name: str, arguments: argparse.Namespace) -> None:
        self.name = name
        python = str(arguments.peers) if name.partition(":")[0] == "lsg-converter" else sys.executable
        model, _, threads = name.partition("@")
        self.command = [python, str(HERE / "worker.py"), model, "--dtype", arguments.dtype]
        self.command += ["--device", arguments.device, "--threads", threads or str(arguments.threads)]
        self.process: subprocess.Popen[str] | None = None

    def run(self, mode: str, tokens: int, batch: int, seed: int, memory: bool = False) -> dict[str, Any] | None:
        """One run; None when the side cannot do it (any more)."""
        if self.process is None:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                env={**os.environ, "HF_HUB_OFFLINE": "1"},
            )  # fmt: skip
            self._read()
        if self.process.poll() is not None:
            return None
        request = {"mode": mode, "tokens": tokens, "batch": batch, "seed": seed, "memory": memory}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any] | None:
        assert self.process is not None and self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            print(f"{self.name}: gave up", file=sys.stderr)
        return json.loads(line) if line else None

    def close(self) -> None:
        """End the process, if there is one."""
        if self.process is None:
            return
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended by itself
            self.process.stdin.close()
        self.process.wait()
        self.process = None


def main() -> None:
    """Measure, print, and write what was asked for."""
    arguments = parse()
    sides = [Side(name, arguments) for name in arguments.sides.split(";")]
    results: list[dict[str, Any]] = []
    with busy_neighbours(arguments.beside):
        for mode in arguments.modes.split(","):
            for batch in _numbers(arguments.batch):
                for tokens in _numbers(arguments.tokens):
                    take = alone if arguments.alone else together
                    samples, peaks = take(sides, mode, tokens, batch, arguments.rounds)
                    results += rows(peaks, samples, mode, batch, tokens, arguments.clock)
                    for row in results[-len(sides) :]:
                        print(render(row), flush=True)
    for side in sides:
        side.close()
    if arguments.json:
        machine = {**describe_machine(arguments.device), "threads": arguments.threads}
        report = {"machine": machine, "dtype": arguments.dtype, "clock": arguments.clock, "results": results}
        Path(arguments.json).write_text(json.dumps(report, indent=1) + "\n")
    if arguments.plot:
        plot(Path(arguments.plot), results)


Samples = dict[str, list[dict[str, Any]]]
Peaks = dict[str, int | None]


def together(sides: list[Side], mode: str, tokens: int, batch: int, rounds: int) -> tuple[Samples, Peaks]:
    """Runs of every side, whose processes stay, and their peaks of memory."""
    peaks: Peaks = {}
    samples: Samples = {side.name: [] for side in sides}
    for turn, name, side in in_turns({side.name: side for side in sides}, rounds):
        sample = side.run(mode, tokens, batch, turn, memory=not turn)
        if not turn:
            peaks[name] = (sample or {}).get("peak")
        elif sample:
            samples[name].append(sample)
    return samples, peaks


def alone(sides: list[Side], mode: str, tokens: int, batch: int, rounds: int) -> tuple[Samples, Peaks]:
    """The same with one process at a time."""
    peaks: Peaks = {side.name: None for side in sides}
    samples: Samples = {side.name: [] for side in sides}
    for turn in range(rounds):
        for side in sides:
            side.run(mode, min(tokens, 512), batch, turn)
            sample = side.run(mode, tokens, batch, turn, memory=True)
            side.close()
            if sample:
                samples[side.name].append(sample)
                peaks[side.name] = max(peaks[side.name] or 0, sample["peak"] or 0) or None
    return samples, peaks


@contextlib.contextmanager
def busy_neighbours(count: int) -> Iterator[None]:
    """So many processes that compute, each with one thread, while the body runs."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", default="lsg;dense", help="separated by ';', see sides.py; ratios are to the first")
    parser.add_argument("--tokens", default="512,1024,2048,4096,8192,16384")
    parser.add_argument("--modes", default="forward", help="of forward, train, generate (128 tokens)")
    parser.add_argument("--batch", default="1")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: processor time, for a machine that others use too",
    )
    parser.add_argument("--alone", action="store_true", help="one process at a time, each turn in a new one")
    parser.add_argument("--beside", type=int, default=0, help="how many other processes compute meanwhile")
    parser.add_argument("--peers", default=PEERS, help="the Python that has lsg-converter")
    parser.add_argument("--json")
    parser.add_argument("--plot", help="time and memory against length, log-log: .svg, .png or .pdf")
    return parser.parse_args()


def rows(peaks: Peaks, samples: Samples, mode: str, batch: int, tokens: int, clock: str) -> list[dict[str, Any]]:
    """Medians, spread, and ratios to the first side."""
    found = []
    for name, runs in samples.items():
        row: dict[str, Any] = {"side": name, "mode": mode, "batch": batch, "tokens": tokens}
        if runs:
            times = [run[clock] for run in runs]
            row |= {"seconds": statistics.median(times), "fastest": min(times), "slowest": max(times)}
            peak = peaks[name]
            row["megabytes"] = None if peak is None else peak / 1e6
        found.append(row)
    first = found[0]
    for row in found:
        if "seconds" in row and "seconds" in first:
            row["times_first"] = row["seconds"] / first["seconds"]
    return found


def render(row: dict[str, Any]) -> str:
    """One line of the table."""
    head = f"{row['mode']:8} {row['batch']:2} × {row['tokens']:6} {row['side']:34}"
    if "seconds" not in row:
        return head + "  gave up"
    spread = f"({row['fastest']:.2f}–{row['slowest']:.2f})"
    memory = f"{row['megabytes']:8.0f} MB" if row["megabytes"] else ""
    return f"{head} {row['seconds']:8.3f} s {spread:16} {row.get('times_first', 0):6.2f} ×{memory}"


def plot(path: Path, results: list[dict[str, Any]]) -> None:
    """Time and memory against length."""
    panels: dict[str, dict[str, dict[int, float]]] = {"seconds": {}, "megabytes": {}}
    for row in results:
        name = row["side"] if row["mode"] == "forward" else f"{row['side']}, {row['mode']}"
        for value, series in panels.items():
            if row.get(value):
                series.setdefault(name, {})[row["tokens"]] = row[value]
    write_plot(path, panels)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
