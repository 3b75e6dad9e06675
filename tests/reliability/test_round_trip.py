"""From a Hub to a Hub: convert by id and revision, publish, load in another process; the logits are the same."""

from __future__ import annotations

import json
from pathlib import Path

from tests.hub import LoopbackHub
from tests.hub.server import READ_TOKEN, WRITE_TOKEN
from tests.reliability.conftest import LENGTHS
from tests.warm import lsg_convert, python

LOGITS = """
import json, sys, torch
from transformers import AutoModelForMaskedLM, AutoTokenizer
name = sys.argv[1]
model = AutoModelForMaskedLM.from_pretrained(name, trust_remote_code=True).eval()
tokenizer = AutoTokenizer.from_pretrained(name)
torch.manual_seed(0)
ids = torch.randint(5, model.config.vocab_size, (2, 150))
with torch.no_grad():
    logits = model(ids).logits
print(json.dumps({"sum": logits.double().sum().item(), "some": logits[1, 140, :5].tolist(),
                  "class": type(model).__name__, "length": tokenizer.model_max_length}))
"""


def test_round_trip(hub: LoopbackHub, tiny: Path, tmp_path: Path) -> None:
    commit = hub.add("me/tiny", tiny, private=True)
    hub.add("me/tiny", {"config.json": b"{}"}, message="a later commit that must not matter")
    work = tmp_path / "work"
    work.mkdir()
    environment = hub.environment(tmp_path / "cache", WRITE_TOKEN)
    made = lsg_convert("me/tiny", *LENGTHS, "--revision", commit, "--no-verify", "--json", cwd=work, **environment)
    assert made.code == 0, made.output
    record = json.loads((work / "lsg-tiny-256" / "lsg_conversion.json").read_text())
    assert record["source"]["commit"] == commit and record["source"]["repo_id"] == "me/tiny"
    pushed = lsg_convert("push", "--private", "--json", cwd=work, **environment)
    assert pushed.code == 0 and pushed.json["repo_id"] == "me/lsg-tiny-256", pushed.output

    def logits(name: str, **variables: str) -> object:
        done = python(LOGITS, name, cwd=tmp_path, **variables)
        assert done.code == 0, done.output
        return json.loads(done.stdout.splitlines()[-1])

    other = hub.environment(tmp_path / "another-cache", READ_TOKEN)
    assert logits("me/lsg-tiny-256", **other) == logits(str(work / "lsg-tiny-256"))
    again = lsg_convert("inspect", "me/lsg-tiny-256", "--json", cwd=tmp_path, **other)
    assert again.code == 0, again.output
