"""Level 2, exact parity: the folder in the hands of somebody who has never heard of lsg-convert.

A fresh process loads it through the library's own loader of remote code, from a folder and from a snapshot of a Hub
cache, whose files are links; it feeds the tokenizer's whole output to the model, and runs the card's code.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from lsg_convert.common.estimate import RUNTIME
from lsg_convert.common.files import printable
from lsg_convert.common.version import __version__
from lsg_convert.folder.card import render_card
from lsg_convert.folder.record import Record, RecordedSource
from lsg_convert.verification.check import Check
from lsg_convert.verification.exact_parity import WITHOUT_GLOBALS, AsShipped
from lsg_convert.verification.inputs import QUESTION, TARGET_TOKENS
from lsg_convert.verification.lengths import dense_lengths
from lsg_convert.verification.levels import Level
from lsg_convert.verification.result import Measurement, NotRunError
from lsg_convert.verification.stranger_folders import copy_converted, copy_source, hub_snapshot
from lsg_convert.verification.stranger_launch import StrangerProcess, started
from lsg_convert.verification.subject import Subject

PADDING_SIDES = ("right", "left")
_BESIDE = 2 * 2**30  # bytes of models that may be in memory beside each other
_CHARACTERS = 6  # that a token has at most, about: texts are cut to their length by the tokenizer itself


class Stranger(Check):
    """Outputs for all that the tokenizers make of texts, each by its own model, in a process without lsg-convert."""

    name = "as a stranger loads it"
    level = Level.EXACT
    needs = ("weights", "code", "source", "tokenizer")
    _process: StrangerProcess | None = None
    _threads = 0  # of the other checks, once the process has ended

    def memory(self, subject: Subject) -> int:
        return RUNTIME + subject.model_bytes(2) + 4 * subject.logit_bytes(2 * subject.lsg.dense_limit)

    def begin(self, subject: Subject, until: ExitStack) -> bool:
        """Start the process beside the other checks, where there is a core for it, and memory for four models."""
        import torch

        threads = torch.get_num_threads()
        is_large = subject.model_bytes(4) > _BESIDE or subject.limits.too_large(2 * self.memory(subject))
        if threads < 2 or is_large:
            return False
        self._process = _asked(subject, threads // 2, until)
        until.callback(torch.set_num_threads, threads)
        torch.set_num_threads(threads - threads // 2)
        self._threads = threads
        return True

    def between(self, subject: Subject) -> None:
        import torch

        if self._process is None or torch.get_num_threads() == self._threads or not self._process.has_ended():
            return
        torch.set_num_threads(self._threads)
        subject.forget()  # sums that more threads share are rounded in another order

    def measure(self, subject: Subject) -> Measurement:
        import torch

        with ExitStack() as until, subject.reporter.stage("Loading the folder as a stranger does"):
            if self._process is None:
                subject.free()
                self._process = _asked(subject, torch.get_num_threads(), until)
            answer = self._process.answer()
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
        if subject.other_positions:
            return Measurement(None, f"it loads, the card's code runs; {subject.other_positions}", values=values)
        return Measurement(passed, measured, f"{tolerance:.0e}", None if passed else worst["where"], values)


CHECKS: tuple[type[Check], ...] = (Stranger,)


def _asked(subject: Subject, threads: int, until: ExitStack) -> StrangerProcess:
    """The process that waits already, or a new one until the end of `until`, with its request."""
    process = subject.stranger or until.enter_context(started())
    process.ask(lambda root: _request(subject, root, threads))
    return process


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


def _request(subject: Subject, root: Path, threads: int) -> dict[str, Any]:
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
        "threads": threads,
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
        name, text = _best_known(subject, number, _CHARACTERS * length)
        texts = [text]
        found.append({"name": f"{name}, {length} tokens", "texts": texts, "length": length, "padding_side": "right"})
    name, text = _best_known(subject, 0, _CHARACTERS * lengths[-1])
    for side in PADDING_SIDES:
        texts = [text, text[: lengths[-1] // 2]]
        title = f"{name}, {lengths[-1]} tokens beside a short text, padded on the {side}"
        found.append({"name": title, "texts": texts, "length": lengths[-1], "padding_side": side})
    return found


def _best_known(subject: Subject, number: int, characters: int) -> tuple[str, str]:
    """Name and beginning of the passage with the fewest unknown tokens, counted from `number`: see `Inputs`."""
    unknown = getattr(subject.tokenizer, "unk_token_id", None)
    passages = [subject.text.starting_with(number + step) for step in range(len(subject.text.passages))]
    beginnings = [(name, text[:characters]) for name, text in passages]
    return min(beginnings, key=lambda each: subject.tokenizer(each[1])["input_ids"].count(unknown))
