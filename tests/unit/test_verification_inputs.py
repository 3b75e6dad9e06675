"""The texts that models are compared on: tokens that the tokenizer knows, where there are enough of them."""

from types import SimpleNamespace

import pytest

from lsg_convert.verification import stranger
from lsg_convert.verification.inputs import Inputs
from lsg_convert.verification.texts import Text

UNKNOWN = 1


class Letters:
    """A tokenizer of one token a letter, which knows a to z."""

    pad_token_id = 0
    unk_token_id = UNKNOWN

    def __call__(self, text, **_):
        return {"input_ids": [ord(letter) if "a" <= letter <= "z" else UNKNOWN for letter in text]}


@pytest.mark.parametrize(
    ("text", "expected"), [("ab一二c", "abcab"), ("一a二b", "abab"), ("一二三a", None)], ids=["most", "half", "few"]
)
def test_unknown_tokens_are_left_out_unless_few_others_remain(text, expected):
    inputs = Inputs(Letters(), Text({"one": text}))
    whole = Letters()(text)["input_ids"]
    length = len(expected or text)
    assert inputs.content(0, length)[1] == ([ord(letter) for letter in expected] if expected else whole)


def test_a_tokenizer_without_an_unknown_token_keeps_all():
    tokenizer = Letters()
    tokenizer.unk_token_id = None
    assert UNKNOWN in Inputs(tokenizer, Text({"one": "ab一"})).content(0, 3)[1]


@pytest.mark.parametrize(("number", "name"), [(0, "known"), (1, "known too"), (2, "known too"), (3, "known")])
def test_a_stranger_reads_what_is_known_best_and_next(number, name):
    passages = {"known": "abc", "half": "a一b", "known too": "def"}
    subject = SimpleNamespace(tokenizer=Letters(), text=Text(passages))
    assert stranger._best_known(subject, number, 3) == (name, passages[name])
