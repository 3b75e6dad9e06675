"""The workflows call what is there, and have no more rights than they need."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.house.source_tree import ROOT

WORKFLOWS = {path.stem: path for path in sorted((ROOT / ".github/workflows").glob("*.yml"))}


def jobs(name: str) -> dict[str, Any]:
    return yaml.safe_load(WORKFLOWS[name].read_text(encoding="utf-8"))["jobs"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_rights_and_versions(name: str) -> None:
    assert yaml.safe_load(WORKFLOWS[name].read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}
    rights = {job: given["permissions"] for job, given in jobs(name).items() if "permissions" in given}
    assert rights == ({"publish": {"id-token": "write"}, "attach": {"contents": "write"}} if name == "release" else {})
    steps = [step for job in jobs(name).values() for step in job["steps"]]
    assert all(re.search(r"@(v\d|release/v\d)", step["uses"]) for step in steps if "uses" in step)
    for step in steps:
        for script in re.findall(r"(?<![\w/])\.ci/[\w.]+", step.get("run", "")):
            assert (ROOT / script).is_file() and (ROOT / script).stat().st_mode & 0o111


def test_nothing_is_published_that_was_not_checked() -> None:
    found = jobs("release")
    assert set(found["publish"]["needs"]) == {"build", "check", "try"} and found["attach"]["needs"] == "publish"
    assert found["publish"]["environment"]["name"] == "pypi"
    assert not any("secrets." in str(job) for job in found.values())
