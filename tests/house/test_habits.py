"""The files around the code say the same: version, commands, names of files."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.house.source_tree import ROOT


def _yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def _version() -> str:
    found = re.search(r'^version = "([\d.]+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


def test_the_version_is_one() -> None:
    versions = re.findall(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == _version() == _yaml("CITATION.cff")["version"]


def test_a_forge_runs_what_every_change_must_pass() -> None:
    steps = _yaml(".github/workflows/ci.yml")["jobs"]["check"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_hooks_call_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for hook in _yaml(".pre-commit-config.yaml")["repos"][0]["hooks"]:
        assert f"\n{hook['entry'].removeprefix('make ')}:" in makefile


def test_every_target_is_explained_and_phony() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    explained = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert targets == explained == set(phony[1].split())
