"""`lsg-convert sweep`: a folder's settings on the user's own text or task, without training between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsg_convert.bench.meter import measure
from lsg_convert.bench.run import describe_machine
from lsg_convert.common.errors import LSGConvertError, RequestError
from lsg_convert.common.files import printable, user_path
from lsg_convert.common.interruption import RUN
from lsg_convert.common.os_errors import os_failure
from lsg_convert.common.progress import Advance, Reporter, SilentReporter, import_libraries
from lsg_convert.common.quiet import libraries_quiet
from lsg_convert.common.version import __version__
from lsg_convert.folder.discovery import find_converted_folder
from lsg_convert.folder.record import Record
from lsg_convert.folder.saved_record import read_converted
from lsg_convert.sources.checkpoint import weight_file_names
from lsg_convert.sweep.choice import dominated_by
from lsg_convert.sweep.grid import Setting, product_grid, published_grid, with_globals
from lsg_convert.sweep.report import SweepReport, candidate
from lsg_convert.sweep.state import DOMINATED, MEASURED, NOT_RUN, Measured, State, key_of
from lsg_convert.verification.result import NotRunError
from lsg_convert.verification.run import find_source
from lsg_convert.verification.settings import Settings
from lsg_convert.verification.subject import Subject
from lsg_convert.verification.texts import load_text

_ROUNDS = 2  # readings whose time is taken, the faster one counts


@dataclass(frozen=True)
class Grid:
    """What to combine; without any of it the published table. num_global_tokens come on top of either."""

    selections: Sequence[str] = ()
    block_sizes: Sequence[int] = ()
    factors: Sequence[int] = ()
    num_global_tokens: Sequence[int] = ()

    def settings(self, own: Setting) -> list[Setting]:
        """The folder's own setting, and those that are asked for.

        Raises:
            RequestError: attention cannot be laid out as one of them asks for.
        """
        if self.selections or self.block_sizes or self.factors:
            made = product_grid(
                self.selections or [own.sparsity_type],
                self.block_sizes or [own.block_size],
                self.factors or [own.sparsity_factor or 2],
            )
        else:
            made = [own, *published_grid()]
        if self.num_global_tokens:
            made = with_globals(made, self.num_global_tokens)
        for setting in made:
            setting.check()
        return list(dict.fromkeys(made))


@dataclass(frozen=True)
class Data:
    """What to measure on: plain text, or a task file that has references; `pieces` of `length` tokens, or rows."""

    text: str | Path | None = None
    task: str | Path | None = None
    pieces: int = 8
    length: int | None = None

    @property
    def file(self) -> Path:
        """The one file; raises RequestError where there is none, or two are named."""
        if (self.text is None) == (self.task is None):
            raise RequestError("sweep measures on a file of your own.", "Give one: --text FILE, or --task FILE.")
        path = user_path(self.text or self.task or "")
        if not path.is_file():
            raise RequestError(f"there is no file '{printable(path, 300)}'.", "Give a file with --text or --task.")
        return path


@dataclass(frozen=True)
class Origin:
    """The source to compare with; without `source` the one that the folder's own record names."""

    source: str | Path | None = None
    revision: str | None = None
    token: str | None = None
    cache_dir: str | Path | None = None


def sweep(
    folder: str | Path | None,
    data: Data,
    grid: Grid | None = None,
    state: str | Path | None = None,
    computing: Settings | None = None,
    origin: Origin | None = None,
    reporter: Reporter | None = None,
) -> SweepReport:
    """Measure a converted folder under each setting of `grid`, on `data`.

    What was measured is kept in the file `state` (default: `NAME.sweep.json` in the current folder): measured again is
    what it does not hold.

    Raises:
        RequestError: there is no such folder, text, task or source, or what is asked for cannot be measured.
        OutsideError: the disk or a permission failed.
    """
    reporter = reporter or SilentReporter()
    file = data.file
    place = find_converted_folder(folder)
    record = read_converted(place)
    settings = (grid or Grid()).settings(Setting.of_options(record.lsg))
    tokens = data.length or record.max_len
    if not 8 <= tokens <= record.max_len:
        raise RequestError(f"--length is {tokens}; allowed is 8 to {record.max_len}.")
    subject = _subject(place, record, data, computing or Settings(), origin or Origin(), reporter)
    kept = State.open(user_path(state or f"{place.resolve().name}.sweep.json"), _key(subject, data, file))
    with libraries_quiet():
        quality = _quality(subject, data, tokens)
        with RUN.keeping(f"what was measured is in {printable(kept.path, 300)}, and the next run goes on from there"):
            _measure_all(subject, quality, settings, tokens, kept, reporter)
    return SweepReport(
        folder=str(folder or place),
        auto_class=record.auto_class,
        quality=quality.name,
        higher_is_better=quality.higher_is_better,
        tokens=tokens,
        pieces=quality.pieces,
        num_global_tokens=record.lsg.num_global_tokens,
        reference=kept.reference,
        source_tokens=min(record.source_max_len, tokens),
        machine=describe_machine(subject.settings.device),
        settings=settings,
        measured=kept.settings,
        notes=[] if subject.lacks("source") is None else [f"not compared with the source: {subject.no_source}"],
    )


def _subject(
    place: Path, record: Record, data: Data, computing: Settings, origin: Origin, reporter: Reporter
) -> Subject:
    """The folder with its source, if that is within reach; raises RequestError where the folder cannot be measured."""
    passages = load_text(data.text)
    import_libraries(reporter)
    computing.check()
    where = origin.source, origin.revision, origin.token, origin.cache_dir
    source, reason = find_source(place, record, *where, reporter)
    subject = Subject(place, record, source, passages, computing, reason, reporter=reporter)
    lacking = subject.lacks("weights") or subject.lacks("code") or subject.lacks("tokenizer")
    if lacking:
        raise RequestError(f"not measured: {lacking}.", "Convert the source again.")
    return subject


def _key(subject: Subject, data: Data, file: Path) -> str:
    """What the figures depend on, beside the setting."""
    place, settings = subject.folder, subject.settings
    asked: dict[str, Any] = {
        "pieces": data.pieces,
        "tokens": data.length or subject.max_len,
        "task": data.task is not None,
    }
    asked |= {"device": settings.device, "dtype": settings.dtype, "version": __version__}
    asked["source"] = None if subject.source is None else subject.source.name
    names = ["config.json", *weight_file_names(place)]
    return key_of({**{name: place / name for name in names}, "data": file}, asked)


def _quality(subject: Subject, data: Data, tokens: int) -> Any:
    """What is compared."""
    from lsg_convert.sweep.quality import LOSSES, Likeness, Loss, References
    from lsg_convert.sweep.tasks import read_task

    if data.task is not None:
        return References(subject, read_task(data.task, data.pieces, subject.auto_class), tokens)
    kind = Loss if subject.auto_class in LOSSES else Likeness
    return kind(subject, tokens, data.pieces)


def _measure_all(
    subject: Subject, quality: Any, settings: Sequence[Setting], tokens: int, state: State, reporter: Reporter
) -> None:
    """Measure what the state lacks, the settings with the fewest keys first: dearer ones can then be dominated."""
    if state.reference is None and subject.lacks("source") is None:
        with reporter.stage("Measuring the source"):
            try:
                state.reference = quality.reference()
            except NotRunError as error:
                reporter.notice(f"The source is not measured: {error}")
    own = subject.lsg.num_global_tokens
    waiting = [setting for setting in settings if setting.name not in state.settings]
    if len(waiting) < len(settings):
        reporter.notice(
            f"{len(settings) - len(waiting)} of {len(settings)} settings are in {printable(state.path, 300)}."
        )
    with reporter.stage("Measuring settings", len(waiting) * quality.pieces) as advance:
        for setting in sorted(waiting, key=lambda each: each.attended_keys(own)):
            state.settings[setting.name] = _measure_one(subject, quality, setting, tokens, state, advance)
            try:
                state.keep()
            except OSError as error:
                raise os_failure(error, f"cannot write {state.path}") from error


def _measure_one(
    subject: Subject, quality: Any, setting: Setting, tokens: int, state: State, advance: Advance
) -> Measured:
    """One setting: what a text of the full length costs, then quality piece by piece until it is plainly dominated."""
    from lsg_convert.sweep.quality import agreement_with_source
    from lsg_convert.verification.compute import encoder_states

    try:
        model = subject.models.converted(**setting.options)
    except LSGConvertError:
        raise
    except ValueError as error:  # the folder has no code for it, or its other options do not go with it
        advance(quality.pieces)
        return Measured(NOT_RUN, reason=str(error))
    batch = subject.inputs.batch(tokens)
    device = subject.settings.device
    samples = [measure(lambda: encoder_states(model, batch), device, memory=not turn) for turn in range(_ROUNDS + 1)]
    found = Measured(MEASURED, [], min(sample.seconds for sample in samples[1:]), samples[0].peak_bytes)
    if subject.lacks("source") is None:
        try:
            found.agreement = agreement_with_source(subject, model)
        except NotRunError as error:
            found.reason = str(error)
    others = [
        candidate(name, other, quality.name, quality.higher_is_better)
        for name, other in state.settings.items()
        if other.status == MEASURED
    ]
    for piece in range(quality.pieces):
        found.pieces.append(quality.measure(model, piece))
        advance(1)
        better = dominated_by(candidate(setting.name, found, quality.name, quality.higher_is_better), others)
        if better is not None and piece + 1 < quality.pieces:
            found.status = DOMINATED
            found.reason = f"{better} is better and costs no more"
            advance(quality.pieces - piece - 1)
            break
    return found
