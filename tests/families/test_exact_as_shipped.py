"""A default conversion is its source, from the tokenizer to every output, up to the dense limit, whatever is masked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.families.exactness import TEXT, tokenize
from tests.families.pairs import DENSE_LIMIT, USUAL, Pair, assert_same

MakePair = Callable[..., Pair]
WAYS = ("whole", "right", "left", "holes", "first masked", "bare", "one token", "embedded")


def mask(inputs: dict[str, torch.Tensor], way: str, seed: int) -> None:
    """Take tokens out of the attention mask, never all of a row."""
    tokens = inputs["attention_mask"]
    if way == "first masked":
        tokens[0, 0] = 0
    elif way == "holes":
        kept = torch.rand(tokens.shape, generator=torch.Generator().manual_seed(seed)) > 0.3
        kept[:, 1] = True
        tokens *= kept


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture"), USUAL)
@settings(
    max_examples=14,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    way=st.sampled_from(WAYS),
    lengths=st.tuples(st.integers(3, DENSE_LIMIT), st.integers(3, DENSE_LIMIT)),
    seed=st.integers(0, 100),
)
def test_a_default_conversion_is_its_source(
    pair: MakePair, model_type: str, architecture: str, way: str, lengths: tuple[int, int], seed: int
) -> None:
    made = pair(model_type, architecture)
    by_itself = made.family.source_options is not None  # there nothing is added
    assert made.converted.config.num_global_tokens == int(made.plan.global_is_bos and not by_itself)
    inputs = tokenize(made, lengths, way)
    mask(inputs, way, seed)
    if made.family.is_seq2seq:
        inputs["decoder_input_ids"] = made.inputs(8)["input_ids"][:, :5]
    if way == "embedded" and model_type != "m2m_100":  # whose positions depend on the ids
        inputs["inputs_embeds"] = embed(made, inputs.pop("input_ids"))
    source = made.source(**inputs, output_hidden_states=True)
    assert_same(made.converted(**inputs, output_hidden_states=True), source, made.num_globals_in_encoder_states)


def embed(made: Pair, ids: torch.Tensor) -> torch.Tensor:
    """The embeddings that the source makes of ids, to be given in their place."""
    encoder = made.source.get_encoder() if made.family.is_seq2seq else made.source
    return encoder.get_input_embeddings()(ids) * getattr(encoder, "embed_scale", 1.0)


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture"), USUAL)
def test_every_way_is_tried(pair: MakePair, model_type: str, architecture: str) -> None:
    """The same, each way once: what hypothesis draws need not be all of them."""
    made = pair(model_type, architecture)
    for way in WAYS:
        test = test_a_default_conversion_is_its_source.hypothesis.inner_test
        test(pair, model_type, architecture, way, (DENSE_LIMIT, 9), 0)
    assert made.plan.notes == () or not made.plan.global_is_bos


# DeBERTa-v3 with CamemBERT's or a WordPiece tokenizer, and RoBERTa with the latter, as other French models are.
BORROWED = [
    ("deberta-v2", "DebertaV2ForMaskedLM", "camembert"),
    ("deberta-v2", "DebertaV2ForMaskedLM", "bert"),
    ("roberta", "RobertaForMaskedLM", "bert"),
]


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture", "layout"), BORROWED)
def test_the_tokenizer_may_be_another_familys(pair: MakePair, model_type: str, architecture: str, layout: str) -> None:
    made = pair(model_type, architecture, tokenizer=layout)
    assert made.converted.config.num_global_tokens == 1
    assert made.converted.config.opening_token_id == made.tokenizer.cls_token_id
    for way in WAYS:
        inputs = tokenize(made, (DENSE_LIMIT, 9), way)
        mask(inputs, way, 0)
        if model_type == "roberta":
            inputs.pop("token_type_ids", None)  # of which RoBERTa has one
        assert_same(made.converted(**inputs), made.source(**inputs))


@torch.no_grad()
@pytest.mark.parametrize("padding_side", ["left", "right"])
def test_beams_keep_what_their_rows_decided(pair: MakePair, padding_side: str) -> None:
    """Generation runs the encoder first and hands on its output, row by row: which rows open goes with it."""
    made = pair("bart", "BartForConditionalGeneration")
    tokenizer = transformers.AutoTokenizer.from_pretrained(made.folder, padding_side=padding_side)
    inputs = tokenizer([TEXT[:60], TEXT[:12]], padding=True, return_tensors="pt")
    arguments = {**inputs, "num_beams": 3, "max_new_tokens": 8, "min_new_tokens": 8, "do_sample": False}
    assert made.converted.generate(**arguments).tolist() == made.source.generate(**arguments).tolist()


@pytest.mark.parametrize("tool", ["export", "compile"])
def test_in_a_graph_the_rows_are_data(pair: MakePair, tool: str) -> None:
    """Captured with inputs that open, right for inputs that do not."""
    made = pair("bert", "BertForMaskedLM")
    first, second = made.inputs(24, labels=False), made.inputs(24, labels=False, seed=1)
    second["input_ids"][1, 0] = second["input_ids"][1, 1]
    second["attention_mask"][0, 0] = 0
    with torch.no_grad():
        if tool == "export":
            graph = torch.export.export(made.converted, (), first).module()
        else:
            graph = torch.compile(made.converted, backend="eager", fullgraph=True)
        assert_same({"logits": graph(**second)["logits"]}, {"logits": made.source(**second).logits})
