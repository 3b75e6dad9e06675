"""The conversion, top to bottom: source → plan → tensors → folder."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsg_convert.common.errors import LSGConvertError, RequestError
from lsg_convert.common.estimate import Estimate
from lsg_convert.common.files import user_path
from lsg_convert.common.json_files import write_json
from lsg_convert.common.progress import Reporter, SilentReporter, Steps, begin_importing
from lsg_convert.folder.auxiliary_files import AuxiliaryFiles, copy_auxiliary_files, survey
from lsg_convert.folder.card import write_card
from lsg_convert.folder.figures import draw_attention
from lsg_convert.folder.output import check_output, holds_something, resolved
from lsg_convert.folder.record import Record, make_record, today, write_record
from lsg_convert.folder.remote_code import code_name, modeling_files, parts_of
from lsg_convert.folder.report import VerificationReport
from lsg_convert.folder.saved_record import origin_fields
from lsg_convert.folder.staging import staged
from lsg_convert.plan.options import DEFAULT_MAX_LEN, ConvertKeywords, ConvertOptions
from lsg_convert.plan.plan import Plan, make_plan
from lsg_convert.plan.refusals import refuse_config, refuse_name
from lsg_convert.sources.checkpoint import Checkpoint
from lsg_convert.sources.resolve import Source, named, resolve_source
from lsg_convert.verification.estimate import estimate_conversion

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True)
class ConversionResult:
    """A finished conversion; `output` holds nothing after a dry run.

    `left_behind` are the source's files that do not travel, each with the reason. They are not in the record, which is
    published: their names may be nobody's business. `timing` has the seconds of each part, `estimate` what was
    expected.
    """

    source: Source
    plan: Plan
    output: Path
    seconds: float
    record: Record | None = None
    timing: dict[str, float] = field(default_factory=dict)
    estimate: Estimate | None = None
    left_behind: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes in the output folder."""
        return 0 if self.record is None else self.record.size

    @property
    def verification(self) -> VerificationReport | None:
        """What was verified of the folder, if it was."""
        return None if self.record is None else self.record.verification

    def load(self, **kwargs: Any) -> tuple[Any, Any]:
        """The converted model, in evaluation mode, and its tokenizer; `kwargs` go to `from_pretrained`."""
        import transformers

        if self.record is None:
            raise RequestError("a dry run wrote nothing that could be loaded.", "Convert without dry_run.")
        auto_class = getattr(transformers, self.plan.family.heads[self.plan.architecture].auto_class)
        model = auto_class.from_pretrained(self.output, trust_remote_code=True, **kwargs)
        return model.eval(), transformers.AutoTokenizer.from_pretrained(self.output)

    def as_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "source": {"name": self.source.name, "repo_id": self.source.repo_id, "commit": self.source.commit},
            "output": str(self.output),
            "written": self.record is not None,
            "seconds": round(self.seconds, 3),
            "timing": {part: round(seconds, 3) for part, seconds in self.timing.items()},
            "estimate": self.estimate and self.estimate.as_dict(),
            "size": self.size,
            "files": [] if self.record is None else sorted(self.record.files),
            "verification": self.verification and self.verification.as_dict(),
            "left_behind": self.left_behind,
            **self.plan.as_dict(),
            "notes": [*self.plan.notes, *self.notes],
        }


def convert(
    model: str | Path,
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | Path | None = None,
    dry_run: bool = False,
    verify: bool = True,
    reporter: Reporter | None = None,
    **options: Unpack[ConvertKeywords],
) -> ConversionResult:
    """Convert `model` (a folder, a short name or a Hub id) into a folder with LSG attention.

    With `verify` the folder takes its place only when it holds the source's weights and, up to the dense limit,
    computes what the source computes.

    `options` are the fields of `ConvertOptions`: max_len, output, block_size, sparsity_type, num_global_tokens, ….

    Raises:
        RequestError: the request or the source is wrong.
        OutsideError: network, disk or permission failed.
        VerificationError: what was written does not compute what its source computes; it is not kept.
    """
    clock = _Clock()
    steps = Steps(reporter or SilentReporter(), 5 if verify else 3)
    asked = _options(**options)
    model, revision = named(str(model), revision)
    refuse_name(model)
    output = default_output(model, asked.max_len or DEFAULT_MAX_LEN) if asked.output is None else asked.output
    if not dry_run:  # before anything is downloaded
        check_output(output, asked.force)
    source = resolve_source(
        model, revision=revision, token=token, cache_dir=cache_dir, reporter=steps, accept=refuse_config
    )
    with steps.stage("Reading the source"):
        checkpoint = Checkpoint.open(source.folder)
        plan = make_plan(checkpoint, asked)
        auxiliary = survey(source.folder)
        estimate = estimate_conversion(checkpoint, plan, auxiliary, verify=verify, cast=asked.dtype != "keep")
    if asked.output is None:
        output = default_output(model, plan.max_len, plan.source_max_len if plan.is_lsg_source else None)
    if dry_run:
        folder, notes = _output_of_dry_run(output, asked.force, source)
        clock.lap("read")
        left = auxiliary.left_behind
        return ConversionResult(source, plan, folder, clock.total, None, clock.laps, estimate, left, notes)
    final = check_output(output, asked.force, source.folder)
    notes = (f"replaced the folder that lsg-convert had written to {output}.",) if holds_something(final) else ()
    clock.lap("read")
    if verify:
        begin_importing()  # writing waits for the disk
    with staged(output, asked.force, source.folder) as folder:
        record = _write_folder(folder, source, checkpoint, plan, asked, auxiliary, estimate, steps)
        clock.lap("written")
        if verify:
            record = replace(record, verification=_verify_folder(folder, source, record, steps), verified=today())
            write_record(folder, record)
            clock.lap("checked")
        write_card(folder, source, record)
    return ConversionResult(
        source, plan, final, clock.total, record, clock.laps, estimate, auxiliary.left_behind, notes
    )


class _Clock:
    """How long each part of a run took."""

    def __init__(self) -> None:
        self._started = self._last = time.monotonic()
        self.laps: dict[str, float] = {}

    def lap(self, part: str) -> None:
        """The part that ends now."""
        now = time.monotonic()
        self.laps[part], self._last = now - self._last, now

    @property
    def total(self) -> float:
        return time.monotonic() - self._started


def inspect(
    model: str | Path,
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | Path | None = None,
    reporter: Reporter | None = None,
    **options: Unpack[ConvertKeywords],
) -> ConversionResult:
    """What `convert` would do with `model`; writes nothing."""
    result = convert(
        model, revision=revision, token=token, cache_dir=cache_dir, reporter=reporter, dry_run=True, **options
    )
    return replace(result, notes=())  # whether a folder could be written is not asked


def default_output(model: str, max_len: int, former_max_len: int | None = None) -> Path:
    """`./lsg-<name>-<max_len>`, for a model named by folder, short name or Hub id.

    `former_max_len` is that of an LSG source, whose name may end with it: `lsg-x-4096` becomes `lsg-x-16384`.
    """
    try:
        path = user_path(model)
        name = path.resolve().name if path.is_dir() else model.rpartition("/")[2]
    except (OSError, RequestError, ValueError):  # no path at all: what looks for the source says so
        name = model.rpartition("/")[2]
    return Path(f"lsg-{name.removeprefix('lsg-').removesuffix(f'-{former_max_len}')}-{max_len}")


def _options(**options: Any) -> ConvertOptions:
    if options.get("output") is not None:
        options = options | {"output": Path(options["output"])}
    try:
        return ConvertOptions(**options)
    except TypeError as error:
        raise RequestError(f"unknown option: {error}") from error


def _write_folder(
    folder: Path,
    source: Source,
    checkpoint: Checkpoint,
    plan: Plan,
    options: ConvertOptions,
    auxiliary: AuxiliaryFiles,
    estimate: Estimate,
    steps: Steps,
) -> Record:
    """Fill `folder`; returns its record."""
    from lsg_convert.folder.tensors import tensor_entries
    from lsg_convert.folder.writer import write_safetensors
    from lsg_convert.plan.separators import name_separators
    from lsg_convert.plan.special_tokens import name_opening_token, read_special_tokens
    from lsg_convert.verification.texts import load_text

    copy_auxiliary_files(source.folder, folder, plan.max_len, auxiliary)
    config = plan.config | {"lsg_code": code_name(plan.family, parts_of(plan.lsg))}
    config |= origin_fields(source, plan, options)
    write_json(folder / "config.json", config)
    steps.step()
    with steps.stage("Reading the tokenizer"):
        vocabulary = checkpoint.tensors[plan.layout.word_embeddings].shape[0]
        texts = [load_text().starting_with(0)[1]]  # what the verification of the folder reads
        special_tokens = read_special_tokens(folder, vocabulary, plan.family, texts)
    if plan.global_is_bos and not plan.is_lsg_source:
        name_opening_token(folder, special_tokens.first)
    name_separators(folder, plan.lsg)
    entries = tensor_entries(checkpoint, plan, options, special_tokens)
    estimate.tell(steps)  # now that nothing but the machine itself can be in the way
    steps.step()
    written = write_safetensors(folder, entries, options.max_shard_bytes(), steps)
    for name, code in modeling_files(plan.family, parts_of(plan.lsg)).items():
        (folder / name).write_bytes(code)
    hashes = {file.path.relative_to(folder).as_posix(): file.sha256 for file in written}
    draw_attention(folder, plan.lsg)
    record = make_record(source, plan, options, folder, hashes)
    write_record(folder, record)
    return record


def _verify_folder(folder: Path, source: Source, record: Record, steps: Steps) -> VerificationReport:
    """Compare the new folder with its source; returns the report.

    Raises:
        VerificationError: a check failed.
    """
    from lsg_convert.verification.run import verify_conversion

    steps.step()
    report = verify_conversion(folder, source, record, steps)
    report.raise_if_failed()
    return report.as_record()


def _output_of_dry_run(output: Path, force: bool, source: Source) -> tuple[Path, tuple[str, ...]]:
    """Where the folder would be, and what there is to say of it: why it would be refused, or what it would replace."""
    try:
        place = check_output(output, force, source.folder)
    except LSGConvertError as error:
        return resolved(output), (error.message, *([error.hint] if error.hint else []))
    return place, (f"{output} exists, and would be replaced.",) if holds_something(place) else ()
