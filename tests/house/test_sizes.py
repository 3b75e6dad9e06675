"""Files and functions stay short enough to be read in one go."""

from __future__ import annotations

from statistics import median

from tests.house.source_tree import PACKAGE, functions, source_files

FILE_LIMIT, MEDIAN_LIMIT, FUNCTION_LIMIT = 320, 120, 50


def test_files() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in source_files()}
    longest = sorted(((length, str(path.relative_to(PACKAGE))) for path, length in lengths.items()), reverse=True)[:10]
    shown = "\n".join(f"{length:4} {name}" for length, name in longest)
    assert longest[0][0] <= FILE_LIMIT, shown
    assert median(lengths.values()) < MEDIAN_LIMIT, shown


def test_functions() -> None:
    """No function above fifty lines; the message lists the ten longest."""
    longest = sorted(
        (
            (length, f"{path.relative_to(PACKAGE)}: {name}")
            for path in source_files()
            for name, length in functions(path)
        ),
        reverse=True,
    )[:10]
    assert longest[0][0] <= FUNCTION_LIMIT, "\n".join(f"{length:4} {name}" for length, name in longest)
