"""Level 1, integrity: the folder is whole and unchanged, loads, and holds the source's weights where it should."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsg_convert.common.files import printable
from lsg_convert.folder.integrity import check_folder
from lsg_convert.plan.vocabulary_check import check_vocabulary
from lsg_convert.verification.check import Check
from lsg_convert.verification.levels import Level
from lsg_convert.verification.result import Measurement, NotRunError
from lsg_convert.verification.tensor_comparison import compare_tensors

if TYPE_CHECKING:
    from lsg_convert.verification.subject import Subject

_SHOWN = 4
_TOKENIZED_CHARACTERS = 2000


class Files(Check):
    """Every file that was written is there, unchanged."""

    name = "files"
    level = Level.INTEGRITY

    def measure(self, subject: Subject) -> Measurement:
        if subject.record.saved is not None:
            raise NotRunError(f"saved again by {subject.record.saved.by}: no hashes say what its files are to be")
        state = check_folder(subject.folder, hashes=not subject.fresh, reporter=subject.reporter)
        problems = [f"missing: {_some(state.missing)}"] * bool(state.missing)
        problems += [f"changed since the conversion: {_some(state.changed)}"] * bool(state.changed)
        measured = f"{len(state.record.files)} files, {len(state.missing)} missing, {len(state.changed)} changed"
        if state.extra:
            measured += f", {len(state.extra)} added"
        return Measurement(not problems, measured, "0", "; ".join(problems) or None)


class Code(Check):
    """The modeling files are the ones that ship, and the configuration points at them."""

    name = "modeling code"
    level = Level.INTEGRITY

    def measure(self, subject: Subject) -> Measurement:
        from lsg_convert.common.version import __version__

        foreign, trusted = list(subject.code.foreign), subject.settings.trust_remote_code
        written_by = subject.record.version
        if foreign and not trusted and written_by != __version__:
            raise NotRunError(
                f"{foreign[0]} differs: the folder is by lsg-convert {printable(written_by)}, this is {__version__}; "
                "--trust-remote-code runs its code"
            )
        problems = []
        if foreign and not trusted:
            problems.append(f"not what ships with lsg-convert: {_some(foreign)}")
        if not _points_at_our_code(subject):
            problems.append("auto_map in config.json does not point at the modeling files")
        measured = f"{len(foreign)} files differ from the shipped ones" + (" (trusted)" if foreign and trusted else "")
        return Measurement(not problems, measured, "0", "; ".join(problems) or None)


class Tensors(Check):
    """Every tensor is what the conversion makes of the source: the same bytes, unless it is listed as changed."""

    name = "tensors"
    level = Level.INTEGRITY
    needs = ("source",)

    def measure(self, subject: Subject) -> Measurement:
        if subject.record.saved is not None:
            return _what_became_of_them(subject)
        found = compare_tensors(subject)
        measured = (
            f"{found.equal} equal their source bit for bit, {found.rebuilt} as converted, {len(found.wrong)} wrong"
        )
        problems = [
            *(f"missing: {name}" for name in found.missing),
            *(f"not the source's: {name}" for name in found.extra),
        ]
        problems += found.wrong
        return Measurement(not problems, measured, "0 wrong", _some(problems, "; ") or None)


class Tokenizer(Check):
    """The tokenizer is the source's, with the new length, and the embeddings have a row for each of its ids."""

    name = "tokenizer"
    level = Level.INTEGRITY

    def measure(self, subject: Subject) -> Measurement:
        if subject.lacks("tokenizer"):
            return Measurement(False, "none", None, "save it into the folder: tokenizer.save_pretrained(folder)")
        tokenizer = subject.tokenizer
        vocabulary = tokenizer.get_vocab()
        problems = []
        rows, largest = subject.encoder_config.get("vocab_size"), max(vocabulary.values())
        if isinstance(rows, int):
            check_vocabulary(subject.folder, type(tokenizer).__name__, len(vocabulary), rows)
        if isinstance(rows, int) and largest >= rows:
            problems.append(
                f"id {largest} ({printable(_token(vocabulary, largest))}) has no row among {rows} embeddings"
            )
        if tokenizer.model_max_length != subject.max_len:
            problems.append(f"model_max_length is {tokenizer.model_max_length}, not {subject.max_len}")
        measured = f"{len(vocabulary)} tokens"
        if subject.lacks("source") is None and subject.source is not None and not subject.own_weights:
            problems += _differences(tokenizer, subject.source_tokenizer, subject)
            measured += ", the source's"
        if problems:
            measured = f"{len(problems)} problems"
        return Measurement(not problems, measured, None, _some(problems, "; ") or None)


class Loads(Check):
    """The library loads the folder and misses nothing in it."""

    name = "loading"
    level = Level.INTEGRITY
    needs = ("weights", "code")

    def memory(self, subject: Subject) -> int:
        return subject.model_bytes()

    def measure(self, subject: Subject) -> Measurement:
        subject.models.converted()
        info = subject.models.loading_info
        missing, unexpected = sorted(info["missing_keys"]), sorted(info["unexpected_keys"])
        mismatched = sorted(str(item) for item in info.get("mismatched_keys", ()))
        problems = [f"mis-shaped: {_some(mismatched)}"] * bool(mismatched)
        measured = f"{len(missing)} missing, {len(unexpected)} unused, {len(mismatched)} mis-shaped"
        if subject.lacks("source") is None:
            lost = [name for name in missing if subject.own_weights or subject.source_has(name)]
            unknown = [name for name in unexpected if not subject.source_has(name)]
            problems += [f"missing: {_some(lost)}"] * bool(lost) + [f"unexpected: {_some(unknown)}"] * bool(unknown)
        if missing and not problems:
            measured += f" (new, as in the source: {_some(missing)})"
        return Measurement(not problems, measured, None, "; ".join(problems) or None)


CHECKS: tuple[type[Check], ...] = (Files, Code, Tensors, Tokenizer, Loads)


def _points_at_our_code(subject: Subject) -> bool:
    """Whether `auto_map` is ours; the library writes, into what it saves, the repository that an entry is from."""
    found, ours = subject.config.get("auto_map"), subject.family.auto_map()
    if subject.record.saved is None or not isinstance(found, dict):
        return bool(found == ours)
    plain = {name: str(entry).rpartition("--")[2] for name, entry in found.items()}
    own = [ours["AutoConfig"], ours[subject.auto_class]]
    return plain.items() <= ours.items() and [found.get("AutoConfig"), found.get(subject.auto_class)] == own


def _what_became_of_them(subject: Subject) -> Measurement:
    """The tensors of a model that was saved again, beside its source's: whatever training has made of them is right."""
    saved = subject.record.saved
    if subject.compared is None or saved is None:
        raise NotRunError(f"trained since, perhaps: {subject.no_source}")
    measured, values = f"{saved.sentence}: {subject.compared.text}", vars(subject.compared)
    return Measurement(None if saved.trained else True, measured, None if saved.trained else "0 differ", None, values)


def _differences(tokenizer: object, original: object, subject: Subject) -> list[str]:
    """How a tokenizer differs from the source's: in its vocabulary, in what it makes of text."""
    ours, theirs = tokenizer.get_vocab(), original.get_vocab()  # type: ignore[attr-defined]
    different = sorted(token for token in {*ours, *theirs} if ours.get(token) != theirs.get(token))
    if different:
        first = different[0]
        example = f"{printable(first)!r} with id {ours.get(first)} instead of {theirs.get(first)}"
        return [f"vocabulary is not the source's: {len(different)} tokens differ, such as {example}"]
    for passage, text in subject.text.passages.items():
        excerpt = text[:_TOKENIZED_CHARACTERS]
        if tokenizer(excerpt)["input_ids"] != original(excerpt)["input_ids"]:  # type: ignore[operator]
            return [f"it makes other tokens than the source's of the text {passage!r}"]
    return []


def _token(vocabulary: dict[str, int], wanted: int) -> str:
    return next(token for token, number in vocabulary.items() if number == wanted)


def _some(items: list[str] | tuple[str, ...], separator: str = ", ") -> str:
    """The first few of `items`."""
    more = f"{separator}and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return separator.join(printable(item, 300) for item in items[:_SHOWN]) + more
