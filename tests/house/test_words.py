"""Words that were given up do not come back: the glossary of `docs/architecture.md` says which they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.source_tree import ROOT

GLOSSARY = ROOT / "docs" / "architecture.md"
# Where words are looked for. The glossary itself has to name them, and so has this test.
LOOKED_AT = ("lsg_convert/**/*.py", "lsg_convert/**/*.md", "docs/*.md", "*.md", "tests/**/*.py", "benchmarks/*.py")
SPARED = {GLOSSARY, Path(__file__), ROOT / "CHANGELOG.md"}
# Further words, too short or too rare for the glossary: a regular expression → what stands for it.
FURTHER = {
    r"\bAttended\b": "the plan says what is attended to",
    r"\bKeyMask\b": "AttentionPlan",
    r"\bWithoutSight\b": "WithoutGlobals",
    r"\bsafe_files\b": "common/files.py",
    r"\bof_query\b": "grad_query",
}


def retired() -> dict[str, str]:
    """Regular expression of every retired word → the word that stands for it."""
    words = dict(FURTHER)
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 3 and cells[0] not in ("word", "---"):
            words |= {rf"\b{re.escape(word.strip())}": cells[0] for word in cells[2].split(",") if word.strip()}
    return words


def files() -> Iterator[Path]:
    """Every file that is looked at."""
    for pattern in LOOKED_AT:
        yield from (path for path in ROOT.glob(pattern) if path not in SPARED)


def test_the_glossary_is_read() -> None:
    words = retired()
    assert words[r"\bcompanions"] == "auxiliary files"
    assert len(words) > len(FURTHER) + 5


def test_retired_words_do_not_come_back() -> None:
    patterns = [(re.compile(word), instead) for word, instead in retired().items()]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {pattern.pattern} is now: {instead}"
        for path in sorted(set(files()))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for pattern, instead in patterns
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)
