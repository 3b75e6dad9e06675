"""The notebook in `examples/` runs, cell by cell; a folder `bart-base` stands in for the Hub."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.warm import python

NOTEBOOK = Path(__file__).parents[2] / "examples" / "first_steps.ipynb"


def test_its_cells_run(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    shutil.copytree(checkpoint("bart", "BartForConditionalGeneration", max_positions=1024), tmp_path / "bart-base")
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(code) >= 6
    done = python("\n".join(code), cwd=tmp_path)
    assert done.code == 0, done.output
    assert re.search(r"Passed: all \d checks, up to exact parity\.", done.stdout)
    assert re.search(r"Passed: all \d checks, up to integrity\.", done.stdout)
    assert "torch.Size([1, 4096])" in done.stdout and "64 none" in done.stdout


def test_it_is_kept_without_results() -> None:
    """Results and numbers of runs make differences that nobody wants to read."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        assert cell["cell_type"] != "code" or (cell["outputs"], cell["execution_count"]) == ([], None)
