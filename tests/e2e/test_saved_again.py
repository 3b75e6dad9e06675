"""What becomes of a converted folder in other hands, by the command: trained, saved, looked at, published, loaded."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.test_bad_input import contents
from tests.hub import LoopbackHub
from tests.hub.server import WRITE_TOKEN
from tests.warm import lsg_convert, python

TRAIN = """
import sys, torch, transformers
model = transformers.AutoModelForMaskedLM.from_pretrained(sys.argv[1], trust_remote_code=True)
tokenizer = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
torch.manual_seed(0)
with torch.no_grad():
    for parameter in model.parameters():
        parameter += 0.01 * torch.randn_like(parameter)
model.save_pretrained(sys.argv[2])
tokenizer.save_pretrained(sys.argv[2])
torch.save({}, sys.argv[2] + "/training_args.bin")
"""
EMBED = """
import sys
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], trust_remote_code=True)
next(model.parameters()).data.add_(0.01)
model.save(sys.argv[2])
"""


@pytest.fixture(scope="module")
def _converted(checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("converted")
    shutil.copytree(checkpoint("bert"), place / "tiny")
    lengths = ("--max-len", 136, "--block-size", 16, "--sparse-block-size", 16)
    assert lsg_convert("tiny", *lengths, "--output", "lsg-tiny", "--no-verify", cwd=place).code == 0
    return place


@pytest.fixture
def work(_converted: Path, tmp_path: Path) -> Path:
    """A folder with `tiny` and `lsg-tiny`, made of it."""
    return Path(shutil.copytree(_converted, tmp_path / "work"))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LoopbackHub]:
    with LoopbackHub(tmp_path / "hub") as hub:
        yield hub


def saved(code: str, work: Path, target: str) -> Path:
    done = python(code, "lsg-tiny", target, cwd=work)
    assert done.code == 0, done.output
    return work / target


def words(text: str) -> str:
    return " ".join(text.split())


def test_trained_in_place_and_published(work: Path, hub: LoopbackHub) -> None:
    """Each command says what the folder is by now; the Hub gets that, and its card's code runs from there."""
    folder = saved(TRAIN, work, "lsg-tiny")
    shown = lsg_convert("inspect", "lsg-tiny", cwd=work)
    assert shown.code == 0 and "trained since, perhaps" in words(shown.stdout), shown.output
    assert "byte for byte" not in shown.stdout
    before = contents(work)
    environment = hub.environment(work / "cache", WRITE_TOKEN)
    pushed = lsg_convert("push", "lsg-tiny", "me/lsg-tiny", "--json", cwd=work, **environment)
    assert pushed.code == 0, pushed.output
    assert pushed.json["left_out"] == ["training_args.bin"] and pushed.json["verified"] == "not verified"
    assert "trained since, perhaps" in pushed.json["saved"]
    assert {name: data for name, data in contents(work).items() if not name.startswith("cache")} == before
    card = hub.read("me/lsg-tiny", "README.md").decode()
    assert "bit for bit" not in card and "not trained further" not in card
    assert "Not verified since it was saved again" in card
    there = hub.store.repositories["me/lsg-tiny"].files()
    record = json.loads(hub.read("me/lsg-tiny", "lsg_conversion.json"))
    for name, file in record["files"].items():
        assert there[name].sha256 == file["sha256"], name
    assert hub.read("me/lsg-tiny", "model.safetensors") == (folder / "model.safetensors").read_bytes()
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    loaded = python(code, cwd=work, **hub.environment(work / "cache"))
    assert loaded.code == 0 and len(loaded.stdout.split()) == 1, loaded.output  # a guess for the one mask

    verified = lsg_convert("verify", "lsg-tiny", "--source", "tiny", "--level", "exact", "--json", cwd=work)
    assert verified.code == 0 and verified.json["verdict"] == "partial", verified.output
    told = lsg_convert("inspect", "lsg-tiny", "--json", cwd=work).json
    assert told["converted"] is True and told["saved"]["trained"] is True
    assert told["saved"]["compared_with"] == "tiny"
    again = lsg_convert("push", "lsg-tiny", "me/lsg-tiny", "--json", cwd=work, **environment)
    assert again.json["verified"] == "partial", again.output
    assert "trained since: compared with tiny" in hub.read("me/lsg-tiny", "README.md").decode()
    saved(TRAIN, work, "lsg-tiny")  # once more: what was verified is gone
    outdated = lsg_convert("push", "lsg-tiny", "me/lsg-tiny", "--dry-run", "--json", cwd=work, **environment)
    assert outdated.json["verified"] == "not verified"


def test_a_sentence_transformer_keeps_its_card(work: Path, hub: LoopbackHub) -> None:
    pytest.importorskip("sentence_transformers")
    folder = saved(EMBED, work, "embedder")
    card = (folder / "README.md").read_text()
    shown = lsg_convert("inspect", "embedder", "--json", cwd=work)
    assert shown.json["architecture"] == "LSGBertModel" and shown.json["source"]["name"] == "tiny", shown.output
    pushed = lsg_convert(
        "push", "embedder", "me/embedder", "--json", cwd=work, **hub.environment(work / "cache", WRITE_TOKEN)
    )
    assert pushed.code == 0, pushed.output
    assert {"modules.json", "1_Pooling/config.json", "model.safetensors", "tokenizer.json"} <= pushed.json[
        "files"
    ].keys()
    assert hub.read("me/embedder", "README.md").decode() == card
    code = "from sentence_transformers import SentenceTransformer\n"
    code += "print(SentenceTransformer('me/embedder', trust_remote_code=True).encode(['A text.']).shape)"
    loaded = python(code, cwd=work, **hub.environment(work / "cache"))
    assert "(1, 32)" in loaded.stdout, loaded.output
    verified = lsg_convert("verify", "embedder", "--source", "tiny", "--level", "exact", cwd=work)
    assert verified.code == 0 and "trained since: compared with tiny" in words(verified.stdout), verified.output
    assert (folder / "README.md").read_text().startswith(card.rstrip())


def test_from_the_hub_and_back(work: Path, hub: LoopbackHub) -> None:
    """Loaded by its id and trained: the source that the configuration names is found, and stays the base model."""
    hub.add("me/bert", work / "tiny")
    environment = hub.environment(work / "cache", WRITE_TOKEN)
    lengths = ("--max-len", 136, "--block-size", 16, "--sparse-block-size", 16)
    assert lsg_convert("me/bert", *lengths, "--output", "lsg", "--no-verify", cwd=work, **environment).code == 0
    assert lsg_convert("push", "lsg", "me/lsg", cwd=work, **environment).code == 0
    trained = python(TRAIN, "me/lsg", "mine", cwd=work, **environment)
    assert trained.code == 0, trained.output
    verified = lsg_convert("verify", "mine", "--level", "exact", "--json", cwd=work, **environment)
    assert verified.code == 0 and verified.json["source"] == "me/bert", verified.output
    checks = {check["name"]: check for check in verified.json["checks"]}
    assert "trained since: compared with me/bert" in checks["tensors"]["measured"]
    assert checks["modeling code"]["status"] == checks["as a stranger loads it"]["status"] == "passed", checks
    metadata = yaml.safe_load((work / "mine" / "README.md").read_text().split("---")[1])
    assert (metadata["base_model"], metadata["base_model_relation"]) == ("me/bert", "finetune")


def test_a_new_folder_gets_a_card(work: Path, hub: LoopbackHub) -> None:
    saved(TRAIN, work, "mine")
    environment = hub.environment(work / "cache", WRITE_TOKEN)
    assert lsg_convert("push", "mine", "me/mine", cwd=work, **environment).code == 0
    assert not (work / "mine" / "README.md").exists()
    metadata = yaml.safe_load(hub.read("me/mine", "README.md").decode().split("---")[1])
    assert metadata["pipeline_tag"] == "fill-mask" and "custom_code" in metadata["tags"]


@pytest.mark.parametrize("fault", ["foreign code", "no code", "no tokenizer"])
def test_what_others_could_not_use_is_not_published(fault: str, work: Path, hub: LoopbackHub) -> None:
    folder = saved(TRAIN, work, "mine")
    if fault == "foreign code":
        (folder / "modeling_lsg_bert.py").write_text("print('mine')\n")
    elif fault == "no code":
        (folder / "modeling_lsg_bert.py").unlink()
    else:
        for path in folder.glob("tokenizer*"):
            path.unlink()
    environment = hub.environment(work / "cache", WRITE_TOKEN)
    refused = lsg_convert("push", "mine", "me/mine", cwd=work, **environment)
    assert refused.code == 2 and ("tokenizer" if "token" in fault else "modeling_lsg_bert.py") in refused.stderr
    assert not hub.seen
    assert lsg_convert("push", "mine", "me/mine", "--no-verify", cwd=work, **environment).code == 0


def test_secrets_and_links_beside_a_saved_model_stay(work: Path, hub: LoopbackHub) -> None:
    folder = saved(TRAIN, work, "mine")
    (folder / ".env").write_text("SECRET=1")
    (folder / "notes.json").write_text("{}")
    (folder / "checkpoint-5").mkdir()
    (folder / "checkpoint-5" / "optimizer.pt").write_bytes(b"1")
    environment = hub.environment(work / "cache", WRITE_TOKEN)
    pushed = lsg_convert("push", "mine", "me/mine", "--json", cwd=work, **environment)
    assert pushed.json["left_out"] == ["checkpoint-5/optimizer.pt", "notes.json", "training_args.bin"]
    assert not {"notes.json", ".env"} & hub.store.repositories["me/mine"].files().keys()
    (work / "secret").write_text("{}")
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "generation_config.json").symlink_to(work / "secret")
    for options in ([], ["--no-verify"]):
        refused = lsg_convert("push", "mine", "me/other", *options, cwd=work, **environment)
        assert refused.code == 2 and "link" in refused.stderr, refused.output


def test_force_does_not_replace_what_was_trained(work: Path) -> None:
    saved(TRAIN, work, "lsg-tiny")
    before = contents(work)
    refused = lsg_convert("tiny", "--max-len", 136, "--output", "lsg-tiny", "--force", "--no-verify", cwd=work)
    assert refused.code == 2 and "perhaps trained" in words(refused.stderr), refused.output
    assert contents(work) == before
