"""Real text to measure on: a few paragraphs in several languages that come along, or the user's own file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable, read_start, user_path

PARAGRAPHS = Path(__file__).parent / "paragraphs"
LANGUAGES = ("en", "fr", "zh", "de", "es")
_FILE_LIMIT = 4 * 2**20


@dataclass(frozen=True)
class Text:
    """Passages by name (a language, or the user's file)."""

    passages: dict[str, str]

    def starting_with(self, index: int) -> tuple[str, str]:
        """Name of a passage, counted round, and all text from there on, around to where it began."""
        names = list(self.passages)
        first = index % len(names)
        return names[first], "\n\n".join(self.passages[name] for name in names[first:] + names[:first])


def load_text(path: str | Path | None = None) -> Text:
    """The text in the file `path`, or our own.

    Raises:
        RequestError: there is no such file, or no text in it.
        OutsideError: it cannot be read.
    """
    if path is None:
        return Text({name: (PARAGRAPHS / f"{name}.txt").read_text(encoding="utf-8") for name in LANGUAGES})
    shown = printable(path, 300)
    try:
        data = read_start(user_path(path), _FILE_LIMIT)
    except RequestError as error:
        raise RequestError(f"there is no text file '{shown}'.", "Give a file of plain text with --text.") from error
    text = data.decode("utf-8", errors="ignore").strip()
    if not text:
        raise RequestError(f"'{shown}' holds no text.", "Give a file of plain text with --text.")
    return Text({printable(Path(path).name): text})
