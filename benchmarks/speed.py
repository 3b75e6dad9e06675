"""Time and memory of encoders of one size, in turns: `python benchmarks/speed.py --sides lsg,dense --tokens 4096,8192`.

Every side is a process of its own; they take turns, so that what else the machine does meets all of them alike. Figures
are medians over the rounds, ratios those of medians, against the first side. Memory is the peak above the weights in
the run that warms up, since measuring it takes time.
`lsg-converter` runs in the environment that `benchmarks/peers.py` makes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lsg_convert.bench import describe_machine  # noqa: E402
from lsg_convert.plot import write_plot  # noqa: E402

PEERS = HERE.parent / ".envs" / "lsg-converter" / "bin" / "python"


class Side:
    """A process that runs one model."""

    def __init__(self, name: str, arguments: argparse.Namespace) -> None:
        self.name = name
        python = str(arguments.peers) if name.startswith("lsg-converter") else sys.executable
        command = [python, str(HERE / "worker.py"), name, "--dtype", arguments.dtype, "--device", arguments.device]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        self.process = subprocess.Popen(
            [*command, "--threads", str(arguments.threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
        )  # fmt: skip
        self._read()

    def run(self, mode: str, tokens: int, batch: int, seed: int, memory: bool = False) -> dict[str, Any] | None:
        """One run; None when the side cannot do it (any more)."""
        if self.process.poll() is not None:
            return None
        request = {"mode": mode, "tokens": tokens, "batch": batch, "seed": seed, "memory": memory}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any] | None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            print(f"{self.name}: gave up", file=sys.stderr)
        return json.loads(line) if line else None

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    """Measure, print, and write what was asked for."""
    arguments = parse()
    sides = [Side(name, arguments) for name in arguments.sides.split(";")]
    results: list[dict[str, Any]] = []
    for mode in arguments.modes.split(","):
        for batch in _numbers(arguments.batch):
            for tokens in _numbers(arguments.tokens):
                samples: dict[str, list[dict[str, Any]]] = {side.name: [] for side in sides}
                warm = {side.name: side.run(mode, tokens, batch, 0, memory=True) for side in sides}
                for turn in range(arguments.rounds):
                    for side in sides:
                        sample = side.run(mode, tokens, batch, turn)
                        if sample:
                            samples[side.name].append(sample)
                results += rows(warm, samples, mode, batch, tokens, arguments.clock)
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
    parser.add_argument("--peers", default=PEERS, help="the Python that has lsg-converter")
    parser.add_argument("--json")
    parser.add_argument("--plot", help="an SVG, time and memory against length, log-log")
    return parser.parse_args()


def rows(
    warm: dict[str, dict[str, Any] | None],
    samples: dict[str, list[dict[str, Any]]],
    mode: str,
    batch: int,
    tokens: int,
    clock: str,
) -> list[dict[str, Any]]:
    """Medians, spread, and ratios to the first side."""
    found = []
    for name, runs in samples.items():
        row: dict[str, Any] = {"side": name, "mode": mode, "batch": batch, "tokens": tokens}
        if runs:
            times = [run[clock] for run in runs]
            row |= {"seconds": statistics.median(times), "fastest": min(times), "slowest": max(times)}
            peak = (warm[name] or {}).get("peak")
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
