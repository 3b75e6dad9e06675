"""The model card (README.md) of a converted folder: the source's metadata, what was done, how to use it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lsg_convert.common.files import printable
from lsg_convert.folder.figures import ATTENTION, VERIFICATION
from lsg_convert.folder.record import Record
from lsg_convert.sources.resolve import Source

# What of the source's card still holds for the converted model. A licence is inherited or left out, never made up.
_INHERITED = (
    "language",
    "license",
    "license_name",
    "license_link",
    "datasets",
    "pipeline_tag",
    "library_name",
    "metrics",
)
_BEGIN, _END = "<!-- lsg-convert verify -->", "<!-- /lsg-convert verify -->"  # between them `verify` rewrites the card
_CURVES = (
    "Where the source can read the text whole (shaded), both models read the same. Beyond, the source reads it in "
    "windows of its own length; moving those windows changes the source's own tokens as the dashed line shows."
)
_MARKS = {"passed": "✓", "failed": "✗", "not run": "–"}
_TAGS = ("lsg", "long-context", "custom_code")


def write_card(folder: Path, source: Source, record: Record) -> None:
    """Write `README.md` into `folder`."""
    (folder / "README.md").write_text(render_card(folder, source_metadata(source.folder), record), encoding="utf-8")


def source_metadata(folder: Path) -> dict[str, Any]:
    """The metadata block of the source's card; empty where there is none, or none that can be read."""
    import yaml

    path = folder / "README.md"
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    except OSError:
        return {}
    if not text.startswith("---"):
        return {}
    header, closing, _ = text.removeprefix("---").partition("\n---")
    try:
        metadata = yaml.safe_load(header[:100_000]) if closing else None
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return metadata if isinstance(metadata, dict) else {}


def render_card(folder: Path, inherited: dict[str, Any], record: Record) -> str:
    """The card's text."""
    import yaml

    source = record.source
    metadata = {key: inherited[key] for key in _INHERITED if inherited.get(key) is not None}
    if source.repo_id:
        metadata["base_model"] = source.repo_id
    tags = inherited.get("tags")
    metadata["tags"] = (
        [*_TAGS, *(tag for tag in tags if isinstance(tag, str) and tag not in _TAGS)]
        if isinstance(tags, list)
        else list(_TAGS)
    )
    header = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    name = printable(source.repo_id or source.name)
    return "\n".join(
        [
            f"---\n{header}---\n",
            f"# {name}, up to {record.max_len:,} tokens\n",
            _summary(name, record),
            "## Use\n",
            _usage(record),
            "## What a token attends\n",
            _attention(record),
            "## What was changed\n",
            _changes(record),
            "## Settings\n",
            'All of them can be set when loading: `from_pretrained(..., block_size=64, sparsity_type="none")`.',
            _backends(record),
            "| setting | value |\n|---|---|",
            *(f"| `{key}` | `{value}` |" for key, value in asdict(record.lsg).items()),
            "",
            _verification(folder, record),
        ]
    )


def _backends(record: Record) -> str:
    if record.lsg.attention_backend == "cpp":
        return "The attention is computed by a C++ kernel on a CPU where there is a compiler, and else by SDPA.\n"
    return "`lsg-convert . --attention-backend cpp` adds a kernel that is faster on a CPU with a C++ compiler.\n"


def _summary(name: str, record: Record) -> str:
    paper = "[arXiv 2210.15497](https://arxiv.org/abs/2210.15497)"
    return (
        f"`{name}` with LSG (Local + Sparse + Global) attention ({paper}): it reads {record.max_len:,} tokens where "
        f"its source reads {record.source_max_len:,}, at a cost that grows with the length and not with its square. "
        f"Converted with `lsg-convert` {record.version}; not trained further.\n"
    )


def updated_card(folder: Path, record: Record) -> str:
    """The text of the card in `folder` with the record's verification; what else it says stays."""
    path = folder / "README.md"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    section = _verification(folder, record)
    before, found, rest = text.partition(_BEGIN)
    _, closed, after = rest.partition(_END)
    if found and closed:
        return before + section.rstrip("\n") + after
    return f"{text.rstrip()}\n\n{section}".lstrip()


def _usage(record: Record) -> str:
    auto_class = record.auto_class
    lines = [
        "```python",
        f"from transformers import {auto_class}, AutoTokenizer",
        "",
        'path = "."  # this folder, or its id on the Hub',
        f"model = {auto_class}.from_pretrained(path, trust_remote_code=True)",
        "tokenizer = AutoTokenizer.from_pretrained(path)",
        'inputs = tokenizer("A long text. " * 500, truncation=True, return_tensors="pt")',
    ]
    if auto_class == "AutoModelForSeq2SeqLM":
        lines += ["tokens = model.generate(**inputs, max_new_tokens=64)", "print(tokenizer.decode(tokens[0]))"]
    elif auto_class == "AutoModelForMultipleChoice":
        lines += [
            "choices = {name: tensor.unsqueeze(0) for name, tensor in inputs.items()}  # one question, one choice",
            "print(model(**choices).logits)",
        ]
    elif auto_class == "AutoModel" and record.converted_family.is_seq2seq:
        lines += ["states = model.get_encoder()(**inputs)[0]", "print(states.shape)"]
    else:
        lines += ["outputs = model(**inputs)", "print(outputs[0].shape)"]
    return "\n".join([*lines, "```", ""])


def _attention(record: Record) -> str:
    """The attention picture, and what its colours mean in the folder's own numbers."""
    lsg = record.lsg
    block = lsg.block_size
    legend = [f"**blue**, every token of its own block of {block} and of both neighbours"]
    if lsg.has_sparse:
        legend.append(
            f"**orange**, on each side {lsg.sparse_block_size} sparse entries, one for {lsg.sparsity_factor} "
            f"tokens (`{lsg.sparsity_type}`)"
        )
    if lsg.num_global_tokens:
        legend.append(f"**green**, {lsg.num_global_tokens} global, which attend all tokens and are attended by all")
    return (
        "![A band of blue along the diagonal, orange beside it, green along two edges: what each token attends]"
        f"({ATTENTION})\n\n"
        f"A row for every token of a long text, and in it what that token attends: {'; '.join(legend)}. "
        f"Texts of up to {2 * block} tokens are attended in full, as in the source.\n"
    )


def _verification(folder: Path, record: Record) -> str:
    """The section that says what was verified, between its marks."""
    report = record.verification
    lines = [_BEGIN, "## Verification", ""]
    if not report:
        lines += ["Not verified: it was converted with `--no-verify`. `lsg-convert verify` in this folder does it.", ""]
        return "\n".join([*lines, _END, ""])
    lines += [report.sentence, "", "| check | measured | tolerance | |", "|---|---|---|---|"]
    for check in report.checks:
        measured = " – ".join(part for part in (check.measured, check.reason) if part)
        cells = (check.name, measured, check.tolerance or "", _MARKS[check.status])
        lines.append("| " + " | ".join(printable(cell, 500).replace("|", "\\|") for cell in cells) + " |")
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    lines += [
        "",
        f"Measured in {report.dtype} on {report.device}; {versions}. `lsg-convert verify` does it again.",
        "",
    ]
    if (folder / VERIFICATION).is_file():
        lines += [
            f"![Similarity of token vectors to the source's, by position in the text]({VERIFICATION})",
            "",
            _CURVES,
            "",
        ]
    return "\n".join([*lines, _END, ""])


def _changes(record: Record) -> str:
    actions = {
        "extend": "position rows repeated",
        "compute": "sinusoids continued",
        "new": "new",
        "zeros": "new, zeros: a bias that training may change",
        "cast": "cast",
        "replace": "initialised again",
        "drop": "left out (an index buffer)",
    }
    lines = [
        f"- `{printable(change.tensor)}`: {actions[change.action]}"
        + (f", now {list(change.shape)} {change.dtype}" if change.shape is not None else "")
        for change in record.changes
        if change.action != "cast"
    ]
    cast = sum(change.action == "cast" for change in record.changes)
    if cast:
        lines.append(f"- {cast} tensors cast to {record.options.dtype}")
    lines.append("- every other tensor is the source's, bit for bit")
    lines += [
        f"- the code is `{printable(name)}`, SHA-256 `{file.sha256}`"
        for name, file in record.files.items()
        if name.startswith("modeling_lsg_") and name.endswith(".py")
    ]
    return "\n".join([*lines, ""])
