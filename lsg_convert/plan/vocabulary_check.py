"""Whether a tokenizer knows the words that the weights and the vocabulary files speak of.

Where a class does not find the file that it reads, the library silently builds an empty tokenizer: an ALBERT with a
`vocab.txt` and no `spiece.model` knows five special tokens, and every text is unknown tokens.
"""

from __future__ import annotations

from pathlib import Path

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable, read_json_object

_KNOWN_SHARE = 0.5  # tables are rounded up, words are added or left out: that much is no accident
# What each file is called that a tokenizer's words may be in, and the classes that read it.
_READERS = {"vocab.txt": "BertTokenizer", "vocab.json": "RobertaTokenizer or GPT2Tokenizer"}


def check_vocabulary(folder: Path, class_name: str, words: int, rows: int) -> None:
    """Compare the `words` that the tokenizer of `folder` knows with its vocabulary file.

    Without one they are compared with the `rows` of the word embeddings.

    Raises:
        RequestError: it knows fewer than half of them; names the file that its class reads and that is missing.
    """
    found = {name: count for name in _READERS if (count := _entries(folder / name))}
    expected = max(found.values(), default=rows)  # who trims a vocabulary may leave the rows as they are
    if words >= expected * _KNOWN_SHARE:
        return
    what = f"the word embeddings have {rows:,} rows"
    what += "".join(f", {name} has {count:,} entries" for name, count in found.items())
    missing = [name for name in _files_of(class_name) if not (folder / name).is_file()]
    verb = "is" if len(missing) == 1 else "are"
    reads = f"; this class reads {' or '.join(missing)}, which {verb} missing" if missing else ""
    hint = f"Add {' or '.join(missing)} to the source" if missing else "The tokenizer does not belong to these weights"
    for name in found.keys() - {*_files_of(class_name)}:
        hint += f"; if {name} is its vocabulary, name a class that reads it in tokenizer_config.json ({_READERS[name]})"
    raise RequestError(
        f"the source's tokenizer ({printable(class_name)}) knows {words:,} tokens, but {what}{reads}.", f"{hint}."
    )


def _entries(path: Path) -> int:
    """How many words a vocabulary file has; 0 without it."""
    if not path.is_file():
        return 0
    if path.suffix == ".json":
        return len(read_json_object(path))
    with path.open("rb") as file:
        return len({line.rstrip(b"\r\n") for line in file} - {b""})


def _files_of(class_name: str) -> list[str]:
    """The files that the library's tokenizer class reads, any one of which would do."""
    import transformers

    names = getattr(getattr(transformers, class_name, None), "vocab_files_names", None) or {}
    # In the order of what a checkpoint of this class usually has.
    return [name for name in names.values() if name.endswith((".model", ".txt", ".json"))]
