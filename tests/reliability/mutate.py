"""Damage to foreign files: of their JSON, of their bytes, of what kind of file they are."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

CANARY = "canary-was-executed"
LEAVES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, 10**10, 10**7, 2**31, 2**63, -(2**63), 10**30, 10**400, 0.5, -1.5, 1e300,
    float("nan"), float("inf"), "", "x", "0", "12", "../../etc/passwd", "/dev/zero", "\x1b[2J\n", "\ud800", "è",
    "💥" * 50, "a" * 5000, "<img src=x onerror=alert(1)>", "[x](javascript:1)", "someone/repo", "os.system",
    "evil.Evil", [], {}, [[]], {"": ""}, [0], ["x"], [None], {"a": {"b": {"c": []}}}, [1, 2.5, "x", None],
)  # fmt: skip
BYTES = (
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\",
    b"\\ud800",
    b"9" * 30,
    b"-",
    b"\0",
    b"\xff",
    b"\n---\n",
    b"!!int ''",
)
FRONT_MATTER = (
    "license: !!bool maybe", "license: !!int ''", "tags: !!timestamp abc", "language: &a [*a]", "tags: " + "[" * 2000,
    "license: \"\\ud800\"", "datasets: {a: b}", "license_link: javascript:alert(1)", "? ? ?", "<<: 1", "%YAML 9.9",
    "language: !!python/object/apply:os.mkdir [" + CANARY + "]", "license: |\n  " + "x" * 3000, "tags: [a, b, {c: d}]",
)  # fmt: skip


def damage(path: Path, chance: random.Random) -> str:
    """Damage the file at `path` in one way or a few; says how."""
    kinds: list[Callable[[Path, random.Random], None]] = [_bytes]
    if path.suffix == ".json":
        kinds += [_json, _json, _json, _json, _whole_json, _nest]
    elif path.name == "README.md":
        kinds += [_card] * 4
    elif path.suffix == ".safetensors":
        kinds += [_header] * 4
    if chance.random() < 0.06:
        kinds = [_not_a_file]
    kind = chance.choice(kinds)
    kind(path, chance)
    return f"{kind.__name__.strip('_')} {path.name}"


def _json(path: Path, chance: random.Random) -> None:
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        _bytes(path, chance)
        return
    for _ in range(chance.randint(1, 3)):
        value = edited(value, chance)
    path.write_text(json.dumps(value), encoding="utf-8", errors="surrogatepass")


def edited(value: Any, chance: random.Random) -> Any:
    """`value` with one part replaced, removed, doubled or renamed, at any depth."""
    if isinstance(value, dict) and value and chance.random() < 0.93:
        key = chance.choice(list(value))
        act = chance.randrange(8)
        if act == 0:
            return {name: item for name, item in value.items() if name != key}
        if act == 1:
            return {**value, str(chance.choice(LEAVES)): chance.choice(LEAVES)}
        return {**value, key: edited(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.8:
        at = chance.randrange(len(value))
        act = chance.randrange(6)
        if act == 0:
            return value[:at] + value[at + 1 :]
        if act == 1:
            return value + value[at : at + 1] * chance.choice((1, 2, 500))
        return [*value[:at], edited(value[at], chance), *value[at + 1 :]]
    if isinstance(value, int) and chance.random() < 0.3:
        return chance.choice(
            (value + 1, value - 1, -value, value * 10**6, str(value), value + 0.5 if abs(value) < 2**53 else 0)
        )
    return chance.choice(LEAVES)


def _whole_json(path: Path, chance: random.Random) -> None:
    path.write_text(json.dumps(chance.choice(LEAVES)), encoding="utf-8")


def _nest(path: Path, chance: random.Random) -> None:
    depth, (opening, closing) = chance.choice((60, 70, 600, 5000, 100_000)), chance.choice(("[]", "{}"))
    inner = opening * depth + closing * depth if opening == "[" else '{"a":' * depth + "1" + "}" * depth
    path.write_text(chance.choice(('{"a": %s}', "%s")) % inner)


def _bytes(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(chance.randint(1, 5)):
        # most of it where it matters: at the beginning, where headers are
        at = chance.randrange(min(len(data), 2000) + 1 if chance.random() < 0.7 else len(data) + 1)
        act = chance.randrange(5)
        if act == 0:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif act == 1:
            data[at:at] = chance.choice(BYTES)
        elif act == 2:
            del data[at : at + chance.choice((1, 10, 1000))]
        elif act == 3:
            data[at:at] = data[at : at + chance.randrange(60)]
        else:
            del data[at:]
    path.write_bytes(data)


def _header(path: Path, chance: random.Random) -> None:
    """Edit the JSON in front of a safetensors file."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length])
    except ValueError:
        _bytes(path, chance)
        return
    raw = json.dumps(edited(header, chance)).encode()
    told = len(raw) if chance.random() < 0.9 else chance.choice((0, 1, 2**60, len(data), 2**64 - 1))
    path.write_bytes(told.to_bytes(8, "little") + raw + data[8 + length :])


def _card(path: Path, chance: random.Random) -> None:
    lines = [chance.choice(FRONT_MATTER) for _ in range(chance.randint(1, 4))]
    path.write_text("---\n" + "\n".join(["license: mit", *lines]) + "\n---\n# Title\n", encoding="utf-8")


def _not_a_file(path: Path, chance: random.Random) -> None:
    path.unlink()
    act = chance.randrange(6)
    if act == 0:
        os.mkfifo(path)
    elif act == 1:
        path.symlink_to("/dev/zero")
    elif act == 2:
        path.symlink_to(path.name)
    elif act == 3:
        path.mkdir()
    elif act == 4:
        path.symlink_to(Path("..", "secret"))
