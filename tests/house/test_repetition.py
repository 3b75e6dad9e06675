"""Nothing of six lines or more stands twice in the product."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.house.repetition import Place, same_lines, same_shape
from tests.house.source_tree import PACKAGE, source_files

Detector = Callable[[Sequence[Path]], Iterator[tuple[Place, Place]]]

# Two files, or patterns of them → why they may say the same.
EXCEPTIONS: dict[tuple[str, str], str] = {
    (
        "modeling/lsg_bart_style.py",
        "modeling/lsg_t5_style.py",
    ): "the library's signature, which it inspects",
}


@pytest.mark.parametrize("detector", [same_lines, same_shape])
def test_nothing_stands_twice(detector: Detector) -> None:
    twice = [pair for pair in detector(source_files()) if not _is_excepted(*pair)]
    assert not twice, "\n".join(f"{_shown(one)} = {_shown(other)}" for one, other in twice)


def test_every_exception_is_needed() -> None:
    pairs = [pair for detector in (same_lines, same_shape) for pair in detector(source_files())]
    for names in EXCEPTIONS:
        assert any(_fits(names, one, other) for one, other in pairs), names


FIRST = """
def total(prices, limit):
    result = []
    for price in prices:
        if price > limit:
            result.append(price * 2)
        else:
            result.append(price)
    return result
"""
RENAMED = FIRST.replace("price", "weight").replace("total", "load").replace("result", "found").replace("* 2", "* 7")
OTHER = FIRST.replace("append", "insert")


@pytest.mark.parametrize(
    ("second", "lines", "shape"),
    [(FIRST, True, True), (RENAMED, False, True), (OTHER, False, False), ("import a\n" * 9, False, False)],
)
def test_detectors_see_what_they_should(second: str, lines: bool, shape: bool, tmp_path: Path) -> None:
    for name, text in (("first.py", FIRST), ("second.py", second)):
        (tmp_path / name).write_text(text)
    files = [tmp_path / "first.py", tmp_path / "second.py"]
    assert any(same_lines(files)) == lines
    assert any(same_shape(files)) == shape


def _is_excepted(one: Place, other: Place) -> bool:
    return any(_fits(names, one, other) for names in EXCEPTIONS)


def _fits(patterns: tuple[str, str], one: Place, other: Place) -> bool:
    names = [place[0].relative_to(PACKAGE).as_posix() for place in (one, other)]
    return any(all(map(fnmatch, order, patterns)) for order in (names, names[::-1]))


def _shown(place: Place) -> str:
    path, first, last = place
    return f"{path.relative_to(PACKAGE)}:{first}-{last}"
