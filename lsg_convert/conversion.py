"""The conversion, top to bottom: source → plan → tensors → folder."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable
from lsg_convert.common.progress import Reporter, SilentReporter
from lsg_convert.folder.auxiliary_files import copy_companions
from lsg_convert.folder.card import write_card
from lsg_convert.folder.figures import draw_attention
from lsg_convert.folder.record import make_record, write_record
from lsg_convert.folder.remote_code import modeling_files
from lsg_convert.folder.staging import check_output, staged
from lsg_convert.plan.options import DEFAULT_MAX_LEN, ConvertOptions
from lsg_convert.plan.plan import Plan, make_plan
from lsg_convert.sources.checkpoint import Checkpoint
from lsg_convert.sources.resolve import Source, resolve_source


@dataclass(frozen=True)
class ConversionResult:
    """A finished conversion; `output` holds nothing after a dry run."""

    source: Source
    plan: Plan
    output: Path
    seconds: float
    record: dict[str, Any] | None = None

    @property
    def size(self) -> int:
        """Bytes in the output folder."""
        return sum(file["size"] for file in (self.record or {"files": {}})["files"].values())

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
            "size": self.size,
            "files": sorted((self.record or {"files": {}})["files"]),
            "verification": (self.record or {}).get("verification"),
            **self.plan.as_dict(),
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
    **options: Any,
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
    started = time.monotonic()
    reporter = reporter or SilentReporter()
    asked = _options(options)
    output = asked.output or default_output(str(model), asked.max_len or DEFAULT_MAX_LEN)
    if not dry_run:
        check_output(output, asked.force)
    source = resolve_source(str(model), revision=revision, token=token, cache_dir=cache_dir, reporter=reporter)
    checkpoint = Checkpoint.open(source.folder)
    plan = make_plan(checkpoint, asked)
    if asked.output is None:
        output = default_output(str(model), plan.max_len, plan.source_max_len if plan.is_lsg_source else None)
    if dry_run:
        return ConversionResult(source, plan, output.resolve(), time.monotonic() - started)
    _refuse_source_as_output(source, output)
    with staged(output, asked.force) as folder:
        record = _write_folder(folder, source, checkpoint, plan, asked, reporter)
        if verify:
            record["verification"] = _verify_folder(folder, source, record, reporter)
            write_record(folder, record)
        write_card(folder, source, record)
    return ConversionResult(source, plan, output.resolve(), time.monotonic() - started, record)


def inspect(
    model: str | Path,
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | Path | None = None,
    reporter: Reporter | None = None,
    **options: Any,
) -> ConversionResult:
    """What `convert` would do with `model`; writes nothing."""
    return convert(
        model, revision=revision, token=token, cache_dir=cache_dir, reporter=reporter, dry_run=True, **options
    )


def default_output(model: str, max_len: int, former_max_len: int | None = None) -> Path:
    """`./lsg-<name>-<max_len>`, for a model named by folder, short name or Hub id.

    `former_max_len` is that of an LSG source, whose name may end with it: `lsg-x-4096` becomes `lsg-x-16384`.
    """
    name = Path(model).expanduser().resolve().name if Path(model).expanduser().is_dir() else model.rpartition("/")[2]
    return Path(f"lsg-{name.removeprefix('lsg-').removesuffix(f'-{former_max_len}')}-{max_len}")


def _options(options: dict[str, Any]) -> ConvertOptions:
    if options.get("output") is not None:
        options = options | {"output": Path(options["output"])}
    try:
        return ConvertOptions(**options)
    except TypeError as error:
        raise RequestError(f"unknown option: {error}") from error


def _write_folder(
    folder: Path, source: Source, checkpoint: Checkpoint, plan: Plan, options: ConvertOptions, reporter: Reporter
) -> dict[str, Any]:
    """Fill `folder`; returns its record."""
    from lsg_convert.folder.tensors import tensor_entries
    from lsg_convert.folder.writer import write_safetensors
    from lsg_convert.plan.special_tokens import name_opening_token, read_special_tokens

    copy_companions(source.folder, folder, plan.max_len)
    (folder / "config.json").write_text(json.dumps(plan.config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    with reporter.stage("Reading the tokenizer"):
        vocabulary = checkpoint.tensors[plan.layout.word_embeddings].shape[0]
        special_tokens = read_special_tokens(folder, vocabulary, plan.family)
    if plan.global_is_bos and not plan.is_lsg_source:
        name_opening_token(folder, special_tokens.first)
    entries = tensor_entries(checkpoint, plan, options, special_tokens)
    written = write_safetensors(folder, entries, options.max_shard_bytes(), reporter)
    for name, code in modeling_files(plan.family).items():
        (folder / name).write_bytes(code)
    hashes = {file.path.relative_to(folder).as_posix(): file.sha256 for file in written}
    draw_attention(folder, plan.lsg)
    record = make_record(source, plan, options, folder, hashes)
    write_record(folder, record)
    return record


def _verify_folder(folder: Path, source: Source, record: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Compare the new folder with its source; returns the report.

    Raises:
        VerificationError: a check failed.
    """
    from lsg_convert.common.quiet import libraries_quiet
    from lsg_convert.verification.run import verify_conversion

    with libraries_quiet():
        report = verify_conversion(folder, source, record, reporter)
    report.raise_if_failed()
    return report.as_record()


def _refuse_source_as_output(source: Source, output: Path) -> None:
    place, original = output.expanduser().resolve(), source.folder.resolve()
    if place == original or place in original.parents:
        raise RequestError(
            f"the output {printable(output, 300)} is the source itself, or holds it.", "Choose another --output."
        )
