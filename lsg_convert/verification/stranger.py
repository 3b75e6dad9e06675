"""Level 2, exact parity: the folder in the hands of somebody who has never heard of lsg-convert.

A fresh process loads it through the library's own loader of remote code, from a folder and from a snapshot of a Hub
cache, whose files are links; it feeds the tokenizer's whole output to the model, and runs the card's code.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from lsg_convert.common.files import printable
from lsg_convert.common.version import __version__
from lsg_convert.folder.card import render_card
from lsg_convert.folder.record import Record, RecordedSource
from lsg_convert.verification import stranger_process
from lsg_convert.verification.check import Check
from lsg_convert.verification.exact_parity import WITHOUT_GLOBALS, AsShipped
from lsg_convert.verification.inputs import QUESTION, TARGET_TOKENS
from lsg_convert.verification.lengths import dense_lengths
from lsg_convert.verification.levels import Level
from lsg_convert.verification.memory import RUNTIME
from lsg_convert.verification.result import Measurement, NotRunError
from lsg_convert.verification.stranger_folders import copy_converted, copy_source, hub_snapshot
from lsg_convert.verification.subject import Subject

PADDING_SIDES = ("right", "left")
_TIMEOUT = 900.0  # seconds; a folder of BART-large's size takes about thirty
_CHARACTERS = 6  # that a token has at most, about: texts are cut to their length by the tokenizer itself
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH")


class Stranger(Check):
    """Outputs for all that the tokenizers make of texts, each by its own model, in a process without lsg-convert."""

    name = "as a stranger loads it"
    level = Level.EXACT
    needs = ("weights", "code", "source", "tokenizer")

    def memory(self, subject: Subject) -> int:
        return RUNTIME + subject.model_bytes(2) + 4 * subject.logit_bytes(2 * subject.lsg.dense_limit)

    def measure(self, subject: Subject) -> Measurement:
        subject.models.release_source()
        subject.models.release_converted()
        with (
            tempfile.TemporaryDirectory(prefix="lsg-convert-") as name,
            subject.reporter.stage("Loading the folder as a stranger does"),
        ):
            answer = _ask(_request(subject, Path(name)), Path(name))
        if "source_error" in answer:
            raise NotRunError(f"the source raises {printable(answer['source_error'], 300)}")
        if "error" in answer:
            return Measurement(False, "it does not work", None, printable(answer["error"], 500))
        tolerance = subject.settings.tolerance_in("float32")
        worst = max(answer["differences"], key=lambda each: each["value"])
        passed = bool(worst["value"] <= tolerance)
        texts = len(answer["differences"])
        measured = f"max |Δ| {worst['value']:.1e} on {texts} texts, the card's code runs"
        if answer["lacking"]:
            measured += f" (but for what needs {', '.join(answer['lacking'])}, which is not installed)"
        values = {"max_abs": worst["value"], "texts": texts, "position": worst["where"]}
        return Measurement(passed, measured, f"{tolerance:.0e}", None if passed else worst["where"], values)


CHECKS: tuple[type[Check], ...] = (Stranger,)


def card_snippets(record: Record, folder: Path) -> list[str]:
    """The Python code of the card of `folder`: as we write it, whatever the card that is there says."""
    family = record.converted_family
    ours = replace(
        record,
        version=__version__,
        source=RecordedSource("model"),
        auto_class=family.heads[record.library_class].auto_class,
        changes=(),
        notes=(),
        verification=None,
    )
    return re.findall(r"```python\n(.*?)```", render_card(folder, {}, ours), re.DOTALL)


def _request(subject: Subject, root: Path) -> dict[str, Any]:
    import torch

    assert subject.source is not None
    folder, source = root / "folder", root / "source"
    copy_converted(subject, folder)
    copy_source(subject.source.folder, subject.family, source)
    ways = {"the folder": str(folder)}
    snapshot = hub_snapshot(folder, root / "hub")
    if snapshot is not None:
        ways["a Hub cache"] = str(snapshot)
    cast = subject.options.dtype
    return {
        "ways": ways,
        "source": str(source),
        "architecture": subject.architecture,
        "auto_class": subject.auto_class,
        "options": _options(subject),
        "cast": None if cast == "keep" else cast,
        "texts": _texts(subject),
        "as_choices": subject.inputs.as_choices,
        "question": QUESTION if subject.inputs.after_question else None,
        "decoder_start": subject.inputs.decoder_start,
        "targets": TARGET_TOKENS,
        "snippets": card_snippets(subject.record, folder),
        "threads": torch.get_num_threads(),
    }


def _options(subject: Subject) -> dict[str, Any]:
    """What the model is loaded with: as shipped where that is exact, else without globals."""
    stored = subject.weights.tensors[subject.plan.layout.global_embeddings].dtype
    if stored != "F32":  # global 0 is a sum that 16 bits have no room for
        return WITHOUT_GLOBALS
    try:
        return AsShipped().options(subject)
    except NotRunError:
        return WITHOUT_GLOBALS


def _texts(subject: Subject) -> list[dict[str, Any]]:
    """Texts up to the dense limit, each by itself, then a long one beside a short one, padded on either side."""
    found = []
    lengths = dense_lengths(subject.lsg, subject.exact_limit)
    for number, length in enumerate(lengths):
        name, text = subject.text.starting_with(number)
        texts = [text[: _CHARACTERS * length]]
        found.append({"name": f"{name}, {length} tokens", "texts": texts, "length": length, "padding_side": "right"})
    name, text = subject.text.starting_with(0)
    for side in PADDING_SIDES:
        texts = [text[: _CHARACTERS * lengths[-1]], text[: lengths[-1] // 2]]
        title = f"{name}, {lengths[-1]} tokens beside a short text, padded on the {side}"
        found.append({"name": title, "texts": texts, "length": lengths[-1], "padding_side": side})
    return found


def _ask(request: dict[str, Any], root: Path) -> dict[str, Any]:
    """The answer of a fresh process, which has no token, no network and caches of its own."""
    paths = root / "request.json", root / "answer.json"
    paths[0].write_text(json.dumps(request), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if name not in _TOKENS}
    home = {"HF_HOME": root / "home", "HF_HUB_CACHE": root / "hub", "HF_MODULES_CACHE": root / "modules"}
    quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    command = [sys.executable, stranger_process.__file__, *map(str, paths)]
    try:
        done = subprocess.run(
            command,
            env={**kept, **quiet, **{name: str(path) for name, path in home.items()}},
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {_TIMEOUT:.0f} s"}
    if paths[1].is_file():
        answer: dict[str, Any] = json.loads(paths[1].read_text(encoding="utf-8"))
        return answer
    last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
    how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
    return {"error": f"the process ended with {how}: {' '.join(last)}"}
