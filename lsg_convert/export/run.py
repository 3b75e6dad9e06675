"""`lsg-convert export`: a converted folder's model as ONNX files in `FOLDER/onnx`, compared with eager before they are
there.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable, read_json_object, safe_file
from lsg_convert.common.progress import Reporter, SilentReporter, import_libraries
from lsg_convert.common.quiet import libraries_quiet
from lsg_convert.export.tasks import wants_features
from lsg_convert.families import Family
from lsg_convert.folder.card import updated_card
from lsg_convert.folder.discovery import find_converted_folder
from lsg_convert.folder.model_loading import load_model
from lsg_convert.folder.record import ONNX_FOLDER, RECORD_NAME, Record, hash_files, record_text
from lsg_convert.folder.saved_record import read_converted
from lsg_convert.folder.staging import replaced, replaced_folder
from lsg_convert.folder.trusted_code import FolderCode
from lsg_convert.sources.checkpoint import CONFIG_LIMIT

if TYPE_CHECKING:
    from lsg_convert.export.check import Comparison
    from lsg_convert.export.parts import Part, Texts

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_USUAL_INPUTS = ("input_ids", "attention_mask")
_ENCODERS_ALONE = ("AutoModelForTextEncoding", "AutoModelForTokenClassification")  # of families that have decoders


@dataclass(frozen=True)
class ExportReport:
    """What was written, and how far it is from eager."""

    folder: str
    files: Mapping[str, int]
    comparisons: tuple[Comparison, ...]

    @property
    def failed(self) -> bool:
        """Whether any output differs; then nothing was written."""
        return any(comparison.passed is False for comparison in self.comparisons)

    def as_dict(self) -> dict[str, Any]:
        """Plain values: what `--json` prints."""
        rows = [asdict(comparison) | {"passed": comparison.passed} for comparison in self.comparisons]
        return {"folder": self.folder, "failed": self.failed, "files": dict(self.files), "comparisons": rows}


def export(
    folder: str | Path | None = None,
    *,
    dtype: str = "fp32",
    quantize: str | None = None,
    task: str | None = None,
    trust_remote_code: bool = False,
    reporter: Reporter | None = None,
) -> ExportReport:
    """Write the model of a converted folder as ONNX files to its folder `onnx`, if they compute what it computes.

    Beside the float32 files come smaller ones: `dtype="fp16"`, `quantize="int8"`. What was in `onnx` is replaced.
    `task`, by the names that optimum has, is the head's own unless given; "feature-extraction" leaves the head out.

    Raises:
        RequestError: a package is missing, the folder is not a converted one, its code is not ours and not trusted, or
            its model has no ONNX form, or no head for the task.
        OutsideError: the disk or a permission failed.
    """
    check_packages()
    reporter = reporter or SilentReporter()
    place = find_converted_folder(folder)
    record = read_converted(place)
    without_head = wants_features(task, record.auto_class, record.library_class)
    import_libraries(reporter)
    with libraries_quiet(), replaced_folder(place / ONNX_FOLDER) as stage:
        report = _build(place, record, stage, [dtype, quantize or ""], trust_remote_code, without_head, reporter)
        if report.failed:
            raise Differs(report)
    _keep(place, record)
    return report


class Differs(Exception):
    """The outputs differ: takes back what was built."""

    def __init__(self, report: ExportReport) -> None:
        super().__init__()
        self.report = report


def check_packages() -> None:
    """Raise RequestError where a package that exporting takes is not installed."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise RequestError(
            f"exporting needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed.",
            "install the extra: pip install 'lsg-convert[onnx]'.",
        )


def _build(
    place: Path,
    record: Record,
    stage: Path,
    kinds: list[str],
    trusted: bool,
    without_head: bool,
    reporter: Reporter,
) -> ExportReport:
    from lsg_convert.export.check import Session, compare_all, compare_generating, compare_whole, lengths_for
    from lsg_convert.export.clear_texts import ClearTexts
    from lsg_convert.export.graph import write_graph
    from lsg_convert.export.smaller import SUFFIXES, write_smaller

    with reporter.stage("Loading the model"):
        model = _load(place, record, trusted)
    texts = _texts(place, record, model)
    model = model.base_model if without_head else model
    parts, generates = _parts(model, record, texts)
    with reporter.stage("Exporting", len(parts)) as advance:
        for part in parts:
            write_graph(part, _example(part, model, texts), stage / f"{part.name}.onnx")
            advance(1)
    smaller = [kind for kind in kinds if kind in SUFFIXES]
    lengths = lengths_for(record.max_len)
    rows: list[Comparison] = []
    clear = ClearTexts(texts, model)
    with_words = parts[0].outputs[0] == "logits"  # those of a decoder, of a few tokens, are small
    width = max(model.config.vocab_size if with_words else 0, 1024)
    with reporter.stage("Comparing with eager", len(lengths) * 2 * (1 + len(smaller))) as advance:
        for kind in ["", *smaller]:
            paths = {part.name: stage / f"{part.name}.onnx" for part in parts}
            if kind:
                paths = {name: write_smaller(path, kind) for name, path in paths.items()}
            sessions = {name: Session(path) for name, path in paths.items()}
            compare = compare_generating(model, sessions) if generates else compare_whole(parts[0], sessions["model"])
            shown = ", ".join(path.name for path in paths.values())
            rows += compare_all(compare, clear.make, shown, lengths, width, not kind, advance)
    files = {f"{ONNX_FOLDER}/{path.name}": path.stat().st_size for path in sorted(stage.iterdir())}
    return ExportReport(str(place), files, tuple(rows))


def _load(place: Path, record: Record, trusted: bool) -> Any:
    """The model, by the folder's code once that has passed the gate, in float32 on the CPU."""
    family = record.converted_family
    module = FolderCode.read(place, family).load(family, trusted)
    model_class = getattr(module, record.architecture)
    options = {"attention_backend": "sdpa"}
    if family.inner is not None:
        # For a pair's decoder: the library tells torch's kernel by a bool whether a later step is causal. In a graph
        # that is a symbol, which the kernel does not take. Attention that is written out asks nothing.
        options["attn_implementation"] = "eager"
    return load_model(model_class, place, "float32", "cpu", **options)[0]


def _texts(place: Path, record: Record, model: Any) -> Texts:
    from lsg_convert.export.parts import Texts

    names: tuple[str, ...] = _USUAL_INPUTS
    if (place / "tokenizer_config.json").is_file():
        settings = read_json_object(safe_file(place, "tokenizer_config.json"), CONFIG_LIMIT)
        given = settings.get("model_input_names")
        if isinstance(given, list) and "token_type_ids" in given:
            names = (*names, "token_type_ids")
    config = getattr(model.config, "encoder", model.config)
    opening = getattr(config, "opening_token_id", None)
    padding = getattr(config, "pad_token_id", None) or 0
    choices = record.auto_class == "AutoModelForMultipleChoice"
    return Texts(names, config.vocab_size, padding, opening, choices)


def _parts(model: Any, record: Record, texts: Texts) -> tuple[list[Part], bool]:
    """The graphs of a model, and whether it generates."""
    from lsg_convert.export.parts import encoder_and_decoder, whole_model

    family: Family = record.converted_family
    if record.lsg.has_global_ends:
        limit = record.lsg.dense_limit
        raise RequestError(
            f"BigBird's attention is full up to {limit} tokens, in blocks beyond: no graph is right for all lengths.",
            "Convert the source with --automatic-globals none, and fine-tune it.",
        )
    if not family.is_seq2seq or record.auto_class in _ENCODERS_ALONE:
        return whole_model(model, texts), False
    if record.auto_class == "AutoModelForSeq2SeqLM":
        return encoder_and_decoder(model, texts), True
    raise RequestError(
        f"{printable(record.library_class)} of an encoder-decoder has no usual form in ONNX.",
        "convert the source with an --architecture that generates, or its encoder alone.",
    )


def _example(part: Part, model: Any, texts: Texts) -> tuple[Any, ...]:
    """Inputs to export with: two texts, of sizes that nothing else has."""
    import torch

    given = texts.make(2, 3 * model_block(model) + 5)
    if all(name in given for name in part.inputs):
        return tuple(given[name] for name in part.inputs)
    with torch.inference_mode():
        states = model.get_encoder()(input_ids=given["input_ids"], attention_mask=given["attention_mask"])[0]
        mask, targets = given["attention_mask"], given["input_ids"][:, 1:5]
        if "encoder_hidden_states" in part.inputs:
            return mask.clone(), targets.clone(), states.clone()
        found = model(
            attention_mask=mask, decoder_input_ids=targets, encoder_outputs=(states,), use_cache=True, return_dict=True
        )
        from lsg_convert.export.cache import flat_cache

        cache = flat_cache(found.past_key_values, with_cross=True)
        return tuple(tensor.clone() for tensor in (mask, targets[:, :1], *cache))


def model_block(model: Any) -> int:
    """The block size of its attention."""
    config = getattr(model.config, "encoder", model.config)
    return int(config.block_size)


def _keep(place: Path, record: Record) -> None:
    """Put the new files into record and card."""
    others = {name: file for name, file in record.files.items() if not name.startswith(f"{ONNX_FOLDER}/")}
    own = {f"{ONNX_FOLDER}/{name}": file for name, file in hash_files(place / ONNX_FOLDER).items()}
    record = replace(record, files=dict(sorted({**others, **own}.items())))
    for name, text in ((RECORD_NAME, record_text(record)), ("README.md", updated_card(place, record))):
        with replaced(place / name) as path:
            path.write_text(text, encoding="utf-8", newline="\n")
