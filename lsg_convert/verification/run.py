"""Verifying a folder: find it, find its source, run the checks, and keep the report in the folder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import LSGConvertError
from lsg_convert.common.progress import Reporter, SilentReporter, Steps, import_libraries
from lsg_convert.common.quiet import libraries_quiet
from lsg_convert.common.sizes import parse_size
from lsg_convert.folder.card import updated_card
from lsg_convert.folder.discovery import find_converted_folder
from lsg_convert.folder.figures import draw_verification
from lsg_convert.folder.published import fetch_published
from lsg_convert.folder.record import RECORD_NAME, Record, record_text, today
from lsg_convert.folder.report import NOT_RUN
from lsg_convert.folder.saved_record import read_converted
from lsg_convert.folder.staging import replaced
from lsg_convert.sources.resolve import Source, resolve_source
from lsg_convert.verification import drift, exact_parity, integrity, kernel_parity, reach, stranger
from lsg_convert.verification.check import Check, applies, begins, run_check
from lsg_convert.verification.estimate import estimate_verification
from lsg_convert.verification.levels import Level, parse_level
from lsg_convert.verification.report import Report
from lsg_convert.verification.resemblance import BY_POSITION
from lsg_convert.verification.saved_weights import subject_of_saved
from lsg_convert.verification.settings import Settings
from lsg_convert.verification.stranger_launch import started_beside
from lsg_convert.verification.subject import Subject
from lsg_convert.verification.tensor_comparison import compare_copies
from lsg_convert.verification.texts import load_text

# What a conversion runs: in seconds, and in the memory of one process that has one of the two models at a time.
CONVERSION_CHECKS: tuple[type[Check], ...] = (*integrity.CHECKS, *exact_parity.CHECKS)
ALL_CHECKS: tuple[type[Check], ...] = (
    *CONVERSION_CHECKS,
    *stranger.CHECKS,
    *kernel_parity.CHECKS,
    *drift.CHECKS,
    *reach.CHECKS,
)


def verify(
    folder: str | Path | None = None,
    source: str | Path | None = None,
    *,
    level: int | str | None = None,
    atol: float | None = None,
    max_kl: float | None = None,
    min_agreement: float | None = None,
    text: str | Path | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    max_memory: str | int | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | Path | None = None,
    reporter: Reporter | None = None,
) -> Report:
    """Verify a converted folder against its source, which its own record names unless `source` is given.

    The report goes into the folder's record and card as well. A folder on the Hub (`owner/name`) is downloaded, and not
    written to. `level` is the last level to run; `atol` is 1e-4 in float32 unless given; `max_kl` and `min_agreement`
    make drift fail beyond them.

    Raises:
        RequestError: there is no such folder, source or text, or an option makes no sense.
    """
    reporter = reporter or SilentReporter()
    memory = None if max_memory is None else parse_size(max_memory, "--max-memory", "4GB")
    settings = Settings(atol, max_kl, min_agreement, device, dtype, memory, trust_remote_code)
    last, passages = parse_level(level), load_text(text)
    published = folder and fetch_published(folder, token=token, cache_dir=cache_dir, reporter=reporter)
    found = published or find_converted_folder(folder)
    record = read_converted(found)
    with started_beside(last, memory) as process:
        import_libraries(reporter)
        settings.check()
        original, no_source = find_source(found, record, source, revision, token, cache_dir, reporter)
        kinds = [kind for kind in ALL_CHECKS if kind.level <= last]
        steps = Steps(reporter, len(kinds))
        subject = Subject(found, record, original, passages, settings, no_source, stranger=process, reporter=steps)
        with libraries_quiet():
            if record.saved is not None:
                subject = subject_of_saved(subject)
            estimate = estimate_verification(subject, [kind() for kind in kinds])
            if estimate is not None:
                estimate.tell(reporter)
            report = run_checks(subject, last, kinds, steps)
    if not published:
        keep_report(found, replace(record, saved=subject.record.saved), report)
    return report


def verify_conversion(folder: Path, source: Source, record: Record, steps: Steps) -> Report:
    """What a conversion verifies of the folder it has just written: integrity and exact parity.

    While torch and transformers are imported, tensors are compared.
    """
    subject = Subject(folder, record, source, load_text(), Settings(), fresh=True, reporter=steps)
    if not subject.lacks("weights") and not subject.lacks("source"):
        with suppress(LSGConvertError):  # the check meets it again, and says so
            compare_copies(subject)
    import_libraries(steps)
    steps.step()
    with libraries_quiet():
        return run_checks(subject, Level.EXACT, CONVERSION_CHECKS)


def run_checks(
    subject: Subject, last: Level, kinds: Sequence[type[Check]] | None = None, steps: Steps | None = None
) -> Report:
    """Run every check of `kinds` (all, unless given) up to the level `last` that means anything for this model.

    What runs beside the others is waited for last; the report has them all in their order.
    """
    results = {}
    checks = [check() for check in (ALL_CHECKS if kinds is None else kinds) if check.level <= last]
    with ExitStack() as until:
        beside = [check for check in checks if begins(check, subject, until)]
        ordered = [check for check in checks if check not in beside] + beside

        def return_cores() -> None:
            for each in beside:
                each.between(subject)

        subject.pause = return_cores
        for number, check in enumerate(ordered):
            if not any("source" in later.needs for later in ordered[number:] if later not in beside):
                subject.models.release_source()
            return_cores()
            if steps is not None and number:
                steps.step()
            if applies(check, subject):
                with subject.reporter.stage(f"Checking: {check.name}") if steps is not None else nullcontext():
                    results[check] = run_check(check, subject)
    return Report(tuple(results[check] for check in checks if check in results), last, _circumstances(subject))


def keep_report(folder: Path, record: Record, report: Report) -> None:
    """Put the report into record, card and picture, unless it says less than the one that is there.

    A folder that cannot be written to stays as it is.
    """
    before = record.verification
    if before is not None and not report.failed and not before.failed:
        known = {check.name for check in ALL_CHECKS}  # an earlier version had others
        ran = {check.name for check in before.checks if check.status != NOT_RUN} & known
        if ran - {result.name for result in report.results}:
            return
    record = replace(record, verification=report.as_record(), verified=today())
    try:
        draw_verification(folder, _curves(report))
        for name, text in ((RECORD_NAME, record_text(record)), ("README.md", updated_card(folder, record))):
            with replaced(folder / name) as path:
                path.write_text(text, encoding="utf-8", newline="\n")
    except OSError:
        return


def _curves(report: Report) -> dict[str, Any] | None:
    return next((result.values[BY_POSITION] for result in report.results if BY_POSITION in result.values), None)


def find_source(
    folder: Path,
    record: Record,
    asked: str | Path | None,
    revision: str | None,
    token: str | None,
    cache_dir: str | Path | None,
    reporter: Reporter,
) -> tuple[Source | None, str]:
    """The source, or why there is none; one that the user names has to be there."""
    recorded = record.source
    beside = recorded.folder and str(folder.resolve() / recorded.folder)
    name = str(asked) if asked is not None else recorded.repo_id or beside
    if not name:
        return None, "the record names no source; give it with --source"
    if revision is None and name == recorded.repo_id:
        revision = recorded.commit
    try:
        return resolve_source(name, revision=revision, token=token, cache_dir=cache_dir, reporter=reporter), ""
    except LSGConvertError as error:
        if asked is not None:
            raise
        return None, f"the source is unavailable: {error.message}"


def _circumstances(subject: Subject) -> dict[str, Any]:
    """What a reader needs to know to get the same numbers."""
    import torch
    import transformers

    from lsg_convert.common.version import __version__

    source, saved = subject.source, subject.record.saved
    compared = saved.compared_with if saved else None
    return {
        "source": compared or (None if source is None else source.repo_id or source.name),
        "device": subject.settings.device,
        "dtype": subject.settings.dtype,
        "text": ", ".join(subject.text.passages),
        "versions": {
            "lsg-convert": __version__,
            "torch": str(torch.__version__),
            "transformers": transformers.__version__,
        },
    }
