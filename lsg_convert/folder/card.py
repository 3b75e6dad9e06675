"""The model card (README.md) of a converted folder: the source's metadata, what was done, how to use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from lsg_convert.common.errors import LSGConvertError
from lsg_convert.common.files import read_limited, safe_file
from lsg_convert.folder import markdown
from lsg_convert.folder.card_metadata import source_metadata
from lsg_convert.folder.figures import ATTENTION, VERIFICATION
from lsg_convert.folder.record import Record
from lsg_convert.sources.resolve import Source

_BEGIN, _END = "<!-- lsg-convert verify -->", "<!-- /lsg-convert verify -->"  # between them `verify` rewrites the card
_CURVES = (
    "Where the source can read the text whole (shaded), both models read the same. Beyond, the source reads it in "
    "windows of its own length; moving those windows changes the source's own tokens as the dashed line shows."
)
_MARKS = {"passed": "✓", "failed": "✗", "not run": "–"}
_CARD_LIMIT = 16 * 2**20
_MARKS = {"passed": "✓", "failed": "✗", "measured": "measured", "not run": "not run"}
_TAGS = ("lsg", "long-context", "custom_code")


def write_card(folder: Path, source: Source, record: Record) -> None:
    """Write `README.md` into `folder`."""
    (folder / "README.md").write_text(render_card(folder, source_metadata(source.folder), record), encoding="utf-8")


def render_card(folder: Path, inherited: Mapping[str, str | list[str]], record: Record) -> str:
    """The card's text."""
    import yaml

    source = record.source
    metadata = dict(inherited)
    if source.repo_id:
        metadata["base_model"] = source.repo_id
    metadata["tags"] = [*_TAGS, *(tag for tag in inherited.get("tags", ()) if tag not in _TAGS)]
    header = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    name = source.repo_id or source.name
    return "\n".join(
        [
            f"---\n{header}---\n",
            f"# {markdown.name(name)}, up to {record.max_len:,} tokens\n",
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
            *(f"| `{key}` | {markdown.code(value)} |" for key, value in asdict(record.lsg).items()),
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
        f"{markdown.code(name)} with LSG (Local + Sparse + Global) attention ({paper}): it reads {record.max_len:,} "
        f"tokens where its source reads {record.source_max_len:,}, at a cost that grows with the length and "
        f"not with its square. Converted with `lsg-convert` {markdown.text(record.version)}; not trained further.\n"
    )


def updated_card(folder: Path, record: Record) -> str:
    """The text of the card in `folder` with the record's verification; what else it says stays."""
    text = _card_of(folder)
    section = _verification(folder, record)
    before, found, rest = text.partition(_BEGIN)
    _, closed, after = rest.partition(_END)
    if found and closed:
        return before + section.rstrip("\n") + after
    return f"{text.rstrip()}\n\n{section}".lstrip()


def _card_of(folder: Path) -> str:
    """The card that is there; nothing where there is none, or where it is a link that leads out."""
    try:
        return read_limited(safe_file(folder, "README.md"), _CARD_LIMIT).decode("utf-8", errors="replace")
    except LSGConvertError:
        return ""


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
    lines += [markdown.text(report.sentence), "", "| check | measured | tolerance | |", "|---|---|---|---|"]
    for check in report.checks:
        measured = " – ".join(part for part in (check.measured, check.reason) if part)
        cells = (check.name, measured, check.tolerance or "", _MARKS[check.status])
        lines.append("| " + " | ".join(markdown.text(cell) for cell in cells) + " |")
    versions = ", ".join(f"{markdown.text(name)} {markdown.text(version)}" for name, version in report.versions.items())
    circumstances = f"{markdown.text(report.dtype)} on {markdown.text(report.device)}"
    lines += [
        "",
        f"Measured in {circumstances}; {versions}. `lsg-convert verify` does it again.",
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
        f"- {markdown.code(change.tensor)}: {actions[change.action]}"
        + (f", now {list(change.shape)} {change.dtype}" if change.shape is not None else "")
        for change in record.changes
        if change.action != "cast"
    ]
    cast = sum(change.action == "cast" for change in record.changes)
    if cast:
        lines.append(f"- {cast} tensors cast to {record.options.dtype}")
    lines.append("- every other tensor is the source's, bit for bit")
    lines += [
        f"- the code is `{name}`, SHA-256 `{file.sha256}`"
        for name, file in record.files.items()
        if name.startswith("modeling_lsg_") and name.endswith(".py")
    ]
    return "\n".join([*lines, ""])
