"""The model card as a reader sees it: rendered, for every family and head, whatever became of the model since."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from lsg_convert import convert, verify
from lsg_convert.families import FAMILIES, PAIRS, family_named
from lsg_convert.folder.card import render_card, updated_card
from lsg_convert.folder.record import Record, SavedAgain, read_record
from lsg_convert.modeling.lsg_options import LSGOptions
from tests.tiny import make_checkpoint
from tests.verify.conftest import OPTIONS, Converted
from tests.verify.plant import edit_json
from tests.verify.test_card import sentence_source
from tests.warm import python

Maker = Callable[..., Converted]
MARKDOWN = MarkdownIt("commonmark").enable("table")
HEADS = [(family.model_type, name) for family in [*FAMILIES.values(), *PAIRS.values()] for name in family.heads]
SAVED = {
    "converted": None,
    "saved": SavedAgain("transformers 5.0.0", False, "its source"),
    "trained": SavedAgain("transformers 5.0.0", True, "its source"),
    "perhaps trained": SavedAgain("transformers 5.0.0"),
}
SECTIONS = ["Use", "What a token attends to", "What was changed", "Limits", "Settings", "Verification"]
# A class of every kind of snippet, and of every style of encoder.
SHOWN = [
    ("bert", "BertForMaskedLM", "guesses"),
    ("bert", "BertForSequenceClassification", "softmax"),
    ("bert", "BertForNextSentencePrediction", "The next sentence."),
    ("bert", "BertForPreTraining", "the head's outputs"),
    ("bert", "BertForQuestionAnswering", "start_logits"),
    ("bert", "BertForMultipleChoice", "choices"),
    ("roberta", "RobertaForTokenClassification", "id2label"),
    ("bart", "BartModel", "get_encoder()"),
    ("bart", "BartForConditionalGeneration", "generate"),
    ("bart", "BartForQuestionAnswering", "start_logits"),
    ("bart", "BartForSequenceClassification", "softmax"),
    ("t5", "T5EncoderModel", "a vector for every token"),
    ("t5", "T5ForTokenClassification", "id2label"),
]


def snippets(card: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", card, re.DOTALL)


def section(card: str, title: str) -> str:
    return card.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def check_rendered(card: str) -> None:
    """Headings in order, tables whole, fences closed, and nothing left that is no text."""
    body = card.split("---\n", 2)[2]
    tokens = MARKDOWN.parse(body)
    levels = [token.tag for token in tokens if token.type == "heading_open"]
    titles = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    assert levels == ["h1"] + ["h2"] * (len(levels) - 1)
    assert titles[1:] == [*SECTIONS, "Licence and citation"]
    fences = [token for token in tokens if token.type == "fence"]
    assert body.count("```") == 2 * len(fences)
    texts = " ".join(token.content for token in tokens if token.type == "inline" and token.content)
    assert not [sign for sign in ("|--", "{{", "{%", "```") if sign in texts or sign in "".join(snippets(card))]
    assert "\n\n\n" not in body
    assert not re.search(r"\.\.(?!\.)|\s[,;]|\bNone tokens|  +\S", texts.replace("...", "")), texts
    for snippet in snippets(card):
        compile(snippet, "card", "exec")
    settings = section(card, "Settings")
    for name in vars(LSGOptions()):
        assert re.search(rf"^\| `{name}` \| `+[^|]+`+ \| \w|^\| `{name}` \| `+[^|]+`+ \| `", settings, re.MULTILINE), (
            name
        )


@pytest.fixture(scope="module")
def record(converted: Maker) -> Record:
    return read_record(converted("bert", "BertForMaskedLM").folder)


@pytest.mark.parametrize("saved", SAVED.values(), ids=SAVED)
def test_it_renders_for_every_family_and_head(saved: SavedAgain | None, record: Record, converted: Maker) -> None:
    folder = converted("bert", "BertForMaskedLM").folder
    for model_type, name in HEADS:
        family = family_named(model_type)
        assert family is not None
        other = replace(
            record,
            family=model_type,
            architecture=family.lsg_class(name),
            auto_class=family.heads[name].auto_class,
            saved=saved,
            lsg=replace(record.lsg, num_global_tokens=len(name) % 3),
        )
        check_rendered(render_card(folder, {"license": "mit"}, other))
    bare = replace(record, saved=saved, verification=None, verified=None, date=None)
    check_rendered(render_card(folder, {}, bare))


def test_the_code_of_every_kind_runs(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    parts = []
    for model_type, architecture, wanted in SHOWN:
        labels = {"num_labels": 2} if "QuestionAnswering" in architecture else {}
        source = checkpoint(model_type, architecture, **labels)
        folder = convert(source, output=tmp_path / architecture, verify=False, **OPTIONS).output
        (code,) = snippets((folder / "README.md").read_text(encoding="utf-8"))
        assert wanted in code, architecture
        parts.append(f"os.chdir({str(folder)!r})\nprint({architecture!r})\n{code}")
    done = python("import os\n" + "\n".join(parts), cwd=folder)
    assert done.code == 0, done.output
    names = "|".join(architecture for _, architecture, _ in SHOWN)
    parts = re.split(rf"^({names})$", done.stdout, flags=re.MULTILINE)[1:]
    printed = dict(zip(parts[::2], parts[1::2], strict=True))
    assert len(printed) == len(SHOWN)
    assert printed["BertForMaskedLM"].count("\n") == 2  # one guess, for the one mask
    assert re.fullmatch(r"\n(LABEL_\d: \d\.\d{3}\n){3}", printed["BertForSequenceClassification"])
    assert printed["RobertaForTokenClassification"].count("LABEL_") == 20
    assert "torch.Size([1, 136, 32])" in printed["BartModel"]  # a row a token: without its global
    assert "ending." in printed["BertForMultipleChoice"]


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"id2label": {"0": "score"}}, 'tokenizer("A question?", text, truncation="only_second"'),
        ({"problem_type": "multi_label_classification"}, ".sigmoid()"),
    ],
)
def test_a_classifier_is_used_as_it_was_trained(settings: dict[str, Any], wanted: str, breakable: Maker) -> None:
    """A reranker has one score, of two texts; of several labels that may all be true each has its own."""
    folder = breakable("bert", "BertForSequenceClassification").folder
    edit_json(folder / "config.json", lambda config: config.update(settings))
    assert wanted in snippets(render_card(folder, {}, read_record(folder)))[0]


class TestGetEncoder:
    def test_its_further_rows_are_explained(self, converted: Maker) -> None:
        card = (converted("bart", "BartForConditionalGeneration").folder / "README.md").read_text(encoding="utf-8")
        assert "`get_encoder()` returns 1 more row than there are tokens" in section(card, "Use")
        assert "states[:, 1:]" in card

    def test_generate_takes_them_as_they_are(self, converted: Maker) -> None:
        folder = converted("bart", "BartForConditionalGeneration").folder
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, trust_remote_code=True)
        inputs = AutoTokenizer.from_pretrained(folder)("A long text. " * 10, return_tensors="pt")
        given = {"attention_mask": inputs["attention_mask"], "max_new_tokens": 8}
        states = model.get_encoder()(**inputs)
        assert states[0].shape[1] == inputs["input_ids"].shape[1] + 1
        assert model.generate(encoder_outputs=states, **given).equal(model.generate(inputs["input_ids"], **given))

    @pytest.mark.parametrize("options", [{"num_global_tokens": 0}, {"pass_global_tokens_to_decoder": False}])
    def test_nothing_is_said_where_there_are_none(self, options: dict[str, Any], converted: Maker) -> None:
        made = converted("bart", "BartForConditionalGeneration")
        found = read_record(made.folder)
        card = render_card(made.folder, {}, replace(found, lsg=replace(found.lsg, **options)))
        assert "get_encoder" not in card


class TestLimits:
    def test_they_say_what_was_not_trained(self, converted: Maker, record: Record) -> None:
        folder = converted("bert", "BertForMaskedLM").folder
        limits = section((folder / "README.md").read_text(encoding="utf-8"), "Limits")
        assert "up to 64 tokens; the positions beyond are those of the first, repeated" in limits
        assert "global tokens" not in limits  # its one global is the opening token, which was trained
        several = replace(record, lsg=replace(record.lsg, num_global_tokens=4))
        assert "**3 of its global tokens are not trained**" in render_card(folder, {}, several)

    def test_positions_are_those_of_the_family(self, checkpoint: Callable[..., Path], tmp_path: Path) -> None:
        for model_type, said in (("pegasus", "its sinusoids go on"), ("t5", "its positions are distances")):
            folder = convert(checkpoint(model_type), output=tmp_path / model_type, verify=False, **OPTIONS).output
            assert said in (folder / "README.md").read_text(encoding="utf-8")

    def test_figures_are_those_of_the_documentation(self, tmp_path: Path) -> None:
        folder = convert(sentence_source(tmp_path / "source"), output=tmp_path / "out", verify=False, **OPTIONS).output
        limits = section((folder / "README.md").read_text(encoding="utf-8"), "Limits")
        check_rendered((folder / "README.md").read_text(encoding="utf-8"))
        measured = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
        retrieval = section(measured, "Retrieval with long documents")
        figures = re.findall(r"\b0\.\d{3}\b", limits)
        assert len(figures) == 8 and all(figure in retrieval for figure in figures)
        for name in ("all-mpnet-base-v2", "all-MiniLM-L6-v2"):
            assert name in limits and name in retrieval
        trained = replace(read_record(folder), saved=SAVED["trained"])
        assert not re.search(r"\b0\.\d{3}\b|Not trained", section(updated_card(folder, trained), "Limits"))

    def test_a_loss_that_was_measured_is_pointed_at(self, breakable: Maker) -> None:
        made = breakable("bert", "BertForMaskedLM")
        card = made.folder / "README.md"
        assert "Below stands the loss" not in card.read_text(encoding="utf-8")
        made.verify(source=made.source)
        text = card.read_text(encoding="utf-8")
        assert "Below stands the loss" in text and "\n| loss | " in text
        check_rendered(text)


class TestSavedAgain:
    def test_what_the_card_says_is_of_the_model_that_is_there(self, breakable: Maker) -> None:
        """Another head, other settings, and weights that were trained."""
        folder = breakable("bert", "BertForMaskedLM").folder
        found = read_record(folder)
        other = replace(
            found,
            architecture="LSGBertForTokenClassification",
            auto_class="AutoModelForTokenClassification",
            lsg=replace(found.lsg, block_size=8),
            saved=SAVED["trained"],
        )
        card = updated_card(folder, other)
        check_rendered(card)
        assert "AutoModelForTokenClassification.from_pretrained" in card and "AutoModelForMaskedLM" not in card
        assert "| `block_size` | `8` |" in card
        assert "Not trained on long texts" not in card and "It was trained since" in section(card, "Limits")


class TestDates:
    def test_claims_are_dated(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = make_checkpoint("bert", None, tmp_path / "source")
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
        folder = convert(source, output=tmp_path / "out", **OPTIONS).output
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert "on 1970-01-02; not trained further" in card and "Measured on 1970-01-02 in float32" in card
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "172800")
        verify(folder, level="exact")
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert "on 1970-01-02; not trained further" in card and "Measured on 1970-01-03 in float32" in card

    def test_an_earlier_record_has_none(self, record: Record, converted: Maker) -> None:
        folder = converted("bert", "BertForMaskedLM").folder
        card = render_card(folder, {}, replace(record, date=None, verified=None))
        assert "; not trained further" in card and "Measured in float32" in card


class TestLicence:
    def test_it_is_the_sources(self, converted: Maker, record: Record) -> None:
        folder = converted("bert", "BertForMaskedLM").folder
        said = section(render_card(folder, {"license": "cc-by-4.0"}, record), "Licence and citation")
        assert "so does the licence: cc-by-4.0." in said and "2210.15497" in said and "Condevaux" in said
        said = section(render_card(folder, {"license": "other", "license_name": "our-own"}, record), "Licence")
        assert "names no licence" not in said
        assert "names no licence" in section(render_card(folder, {}, record), "Licence and citation")

    @pytest.mark.parametrize(("repo_id", "linked"), [("me/model", True), ("me/model](http://x) [", False)])
    def test_its_source_is_linked_where_it_is_on_the_hub(
        self, repo_id: str, linked: bool, converted: Maker, record: Record
    ) -> None:
        folder = converted("bert", "BertForMaskedLM").folder
        card = render_card(folder, {}, replace(record, source=replace(record.source, repo_id=repo_id)))
        links = re.findall(r'href="([^"]*huggingface[^"]*|http://x)"', MARKDOWN.render(card))
        assert links == (["https://huggingface.co/me/model"] if linked else [])


ENTRY = """@article{devlin,
  title = {{BERT}: Pre-training},
  author = {Devlin, J.}
}"""


class TestCitation:
    def card(self, source_card: str, tmp_path: Path) -> str:
        source = make_checkpoint("bert", None, tmp_path / "source")
        (source / "README.md").write_text(source_card, encoding="utf-8")
        folder = convert(source, output=tmp_path / "out", verify=False, **OPTIONS).output
        card = (folder / "README.md").read_text(encoding="utf-8")
        check_rendered(card)
        return section(card, "Licence and citation")

    def test_it_is_taken_from_the_sources_card(self, tmp_path: Path) -> None:
        said = self.card(f"# BERT\n\n```bibtex\n{ENTRY}\n```\n\n    {ENTRY}\n", tmp_path)
        assert "Its card asks to cite the first entry below." in said
        assert f"```bibtex\n{ENTRY}\n\n@misc{{condevaux2022lsg," in said
        assert said.count("devlin") == 1

    @pytest.mark.parametrize(
        "entry",
        [
            "@article{open, title = {never closed}",
            "@article{fence, title = {\n```\n# Mine\n}}",
            "@article{mark, note = {<!-- lsg-convert verify -->}}",
            "@article{bell, note = {\x07}}",
            "@article{long, note = {" + "x" * 5000 + "}}",
            "@someone wrote {this}",
        ],
        ids=["open", "fence", "mark", "bell", "long", "no entry"],
    )
    def test_what_is_no_entry_stays_there(self, entry: str, tmp_path: Path) -> None:
        said = self.card(f"# Model\n\n{entry}\n", tmp_path)
        assert "Cite it as its authors ask." in said and said.count("@") == 1
