"""Tiny but real tokenizers, made on the spot: WordPiece, byte-level BPE and unigram, with each family's layout.

Pieces are counted here, not by the library's trainers, whose ties fall differently from run to run.

The files are written by hand, not by `save_pretrained`, because what the newest transformers writes the oldest
cannot always read.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tests.texts import LINES


@dataclass(frozen=True)
class Layout:
    """How a family's tokenizer is laid out: where special tokens stand and how a sequence is framed."""

    kind: str  # wordpiece | bpe | unigram
    tokenizer_class: str
    first: tuple[str, ...]  # the tokens with the lowest ids, in order
    last: tuple[str, ...]  # the tokens with the highest ids, in order
    roles: dict[str, str]  # pad_token, cls_token, ... -> token
    single: str
    pair: str
    extra: dict[str, Any] = field(default_factory=dict)
    lowercase: bool = False


_BERT_ROLES = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
_BART_ROLES = {
    "bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>",
}  # fmt: skip
_FRAMED = {"single": "<s> $A </s>", "pair": "<s> $A </s> </s> $B </s>"}
_ENDED = {"single": "$A </s>", "pair": "$A $B </s>"}
_BART_FIRST = ("<s>", "<pad>", "</s>", "<unk>")
_T5_ROLES = {"pad": "<pad>", "eos": "</s>", "unk": "<unk>"}
_LANGUAGES = (
    "ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI", "fr_XX", "gu_IN", "hi_IN", "it_IT", "ja_XX", "kk_KZ",
    "ko_KR", "lt_LT", "lv_LV", "my_MM", "ne_NP", "nl_XX", "ro_RO", "ru_RU", "si_LK", "tr_TR", "vi_VN", "zh_CN",
)  # fmt: skip
_EXTRA_IDS = tuple(f"<extra_id_{number}>" for number in range(99, -1, -1))


def _bert(tokenizer_class: str) -> Layout:
    return Layout(
        "wordpiece", tokenizer_class, ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), (), _BERT_ROLES,
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", {"do_lower_case": True},
    )  # fmt: skip


LAYOUTS: dict[str, Layout] = {
    "bert": _bert("BertTokenizer"),
    "distilbert": _bert("DistilBertTokenizer"),
    "electra": _bert("ElectraTokenizer"),
    "mpnet": Layout(
        "wordpiece", "MPNetTokenizer", ("<s>", "<pad>", "</s>", "[UNK]"), ("<mask>",),
        {**_BART_ROLES, "unk": "[UNK]"}, **_FRAMED, extra={"do_lower_case": True},
    ),
    "roberta": Layout("bpe", "RobertaTokenizer", _BART_FIRST, ("<mask>",), _BART_ROLES, **_FRAMED),
    "bart": Layout("bpe", "BartTokenizer", _BART_FIRST, ("<mask>",), _BART_ROLES, **_FRAMED),
    "xlm-roberta": Layout("unigram", "XLMRobertaTokenizer", _BART_FIRST, ("<mask>",), _BART_ROLES, **_FRAMED),
    "camembert": Layout(
        "unigram", "CamembertTokenizer",
        ("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>"), ("<mask>",),
        _BART_ROLES, **_FRAMED,
    ),
    "barthez": Layout("unigram", "BarthezTokenizer", _BART_FIRST, ("<mask>",), _BART_ROLES, **_FRAMED),
    "albert": Layout(
        "unigram", "AlbertTokenizer", ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"), (),
        {**_BERT_ROLES, "pad": "<pad>", "unk": "<unk>", "bos": "[CLS]", "eos": "[SEP]"},
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", {"do_lower_case": True}, lowercase=True,
    ),
    "rembert": Layout(
        "unigram", "RemBertTokenizer", ("<pad>", "</s>", "<unk>", "[CLS]", "[SEP]", "[MASK]"), (),
        {**_BERT_ROLES, "pad": "<pad>", "unk": "<unk>", "bos": "[CLS]", "eos": "[SEP]"},
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1",
    ),
    "big_bird": Layout(
        "unigram", "BigBirdTokenizer", ("<pad>", "</s>", "<s>", "[SEP]", "[CLS]", "[MASK]", "<unk>"), (),
        {**_BERT_ROLES, "pad": "<pad>", "unk": "<unk>", "bos": "<s>", "eos": "</s>"},
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1",
    ),
    "deberta": Layout(
        "bpe", "DebertaTokenizer", ("[PAD]", "[CLS]", "[SEP]", "[UNK]"), ("[MASK]",), {**_BERT_ROLES, "bos": "[CLS]"},
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1",
    ),
    "deberta-v2": Layout(
        "unigram", "DebertaV2Tokenizer", ("[PAD]", "[CLS]", "[SEP]", "[UNK]"), ("[MASK]",), _BERT_ROLES,
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", {"do_lower_case": False},
    ),
    "modernbert": Layout(
        "bpe", "PreTrainedTokenizerFast", ("[UNK]", "[CLS]", "[SEP]", "[PAD]"), ("[MASK]",), _BERT_ROLES,
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]", {"model_input_names": ["input_ids", "attention_mask"]},
    ),
    # Letters instead of amino acids, so that the tests' texts are no row of unknown ones; and as many as inputs need.
    "esm": Layout(
        "alphabet", "EsmTokenizer", ("<cls>", "<pad>", "<eos>", "<unk>", "<mask>"),
        tuple(chr(code) for first, last in (("!", "~"), ("Α", "Ω"), ("А", "я")) for code in range(ord(first), ord(last))
              if chr(code).isalpha() or chr(code) in ".,-"),
        {"cls": "<cls>", "pad": "<pad>", "eos": "<eos>", "unk": "<unk>", "mask": "<mask>"},
        "<cls> $A <eos>", "<cls> $A <eos> $B <eos>",
    ),
    # XLM's own class, in Python, needs a further package; a fast one frames texts as it does.
    "xlm": Layout(
        "bpe", "PreTrainedTokenizerFast",
        ("<s>", "</s>", "<pad>", "<unk>", *(f"<special{number}>" for number in range(10))), (),
        {"bos": "<s>", "unk": "<unk>", "sep": "</s>", "pad": "<pad>", "cls": "</s>", "mask": "<special1>"},
        "<s> $A </s>", "<s> $A </s> $B:1 </s>:1",
    ),
    "mbart": Layout(
        "unigram", "MBartTokenizer", _BART_FIRST, (*_LANGUAGES, "<mask>"), _BART_ROLES,
        "$A </s> en_XX", "$A $B </s> en_XX", {"src_lang": "en_XX", "tgt_lang": "ro_RO"},
    ),
    "t5": Layout("unigram", "T5Tokenizer", ("<pad>", "</s>", "<unk>"), _EXTRA_IDS, _T5_ROLES, **_ENDED,
                 extra={"extra_ids": 100}),
    "pegasus": Layout(
        "unigram", "PegasusTokenizer",
        ("<pad>", "</s>", "<mask_1>", "<mask_2>", *(f"<unk_{number}>" for number in range(2, 103)), "<unk>"), (),
        {**_T5_ROLES, "mask": "<mask_2>"}, **_ENDED, extra={"offset": 103},
    ),
    # No class of its own that needs no sentencepiece model: the general one, as many repositories have it.
    "general-unigram": Layout(
        "unigram", "PreTrainedTokenizerFast", ("<pad>", "</s>", "<s>", "<unk>"), ("<mask>",),
        {**_T5_ROLES, "bos": "<s>", "mask": "<mask>"}, **_ENDED,
        extra={"model_input_names": ["input_ids", "attention_mask"]},
    ),
}  # fmt: skip


def write_tokenizer(layout_name: str, folder: Path, model_max_length: int) -> dict[str, int]:
    """Train the tokenizer of `layout_name` and write its files into `folder`; return its vocabulary."""
    layout = LAYOUTS[layout_name]
    if layout.kind == "alphabet":
        return _write_alphabet(layout, folder, model_max_length)
    tokenizer = _TRAIN[layout.kind](layout)
    vocabulary = tokenizer.get_vocab()
    used = [word.split(":")[0] for word in f"{layout.single} {layout.pair}".split() if not word.startswith("$")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=layout.single,
        pair=layout.pair,
        special_tokens=[(token, vocabulary[token]) for token in sorted(set(used))],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_settings(layout, folder, model_max_length)
    _write_vocabulary(tokenizer, layout.kind, folder)
    return vocabulary


def _write_settings(layout: Layout, folder: Path, model_max_length: int) -> None:
    roles = {f"{role}_token": token for role, token in layout.roles.items()}
    config = {
        **roles,
        **layout.extra,
        "model_max_length": model_max_length,
        "tokenizer_class": layout.tokenizer_class,
        "clean_up_tokenization_spaces": False,
    }
    _write_json(folder / "tokenizer_config.json", config)
    _write_json(folder / "special_tokens_map.json", roles)


def _write_alphabet(layout: Layout, folder: Path, model_max_length: int) -> dict[str, int]:
    """A tokenizer that is a list of tokens, which its class reads from vocab.txt."""
    tokens = [*layout.first, *layout.last]
    (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    _write_settings(layout, folder, model_max_length)
    return {token: number for number, token in enumerate(tokens)}


def _frequent_pieces(words: list[str], count: int) -> list[tuple[str, int]]:
    """Return all single characters and the `count` substrings that save most characters, with their frequencies."""
    characters: Counter[str] = Counter(character for word in words for character in word)
    substrings: Counter[str] = Counter(
        word[start:end] for word in words for start in range(len(word)) for end in range(start + 2, len(word) + 1)
    )
    best = sorted(substrings, key=lambda piece: (-substrings[piece] * (len(piece) - 1), piece))[:count]
    return [(piece, characters[piece]) for piece in sorted(characters)] + [(piece, substrings[piece]) for piece in best]


def _word_piece(layout: Layout) -> Tokenizer:
    normalizer, pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    words = [word for line in LINES for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(line))]
    pieces = _frequent_pieces([f"^{word}" for word in words], 200)
    starts = [piece[1:] for piece, _ in pieces if piece.startswith("^") and len(piece) > 1]
    inner = [f"##{piece}" for piece, _ in pieces if "^" not in piece]
    characters = sorted({character for word in words for character in word} - set(starts))
    ordered = [*layout.first, *starts, *characters, *inner, *layout.last]
    vocabulary = {piece: number for number, piece in enumerate(ordered)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=layout.roles["unk"]))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens([*layout.first, *layout.last])
    return tokenizer


def _byte_level_bpe(layout: Layout) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=list(layout.first),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(LINES, trainer)
    return _with_last(tokenizer, layout)


def _unigram(layout: Layout) -> Tokenizer:
    lines = [line.lower() for line in LINES] if layout.lowercase else LINES
    counted = _frequent_pieces([f"▁{word}" for line in lines for word in line.split()], 240)
    total = sum(frequency for _, frequency in counted)
    pieces = [(piece, math.log(frequency / total)) for piece, frequency in counted]
    vocabulary = [(token, 0.0) for token in layout.first] + pieces + [(token, 0.0) for token in layout.last]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=layout.first.index(layout.roles["unk"])))
    steps = [normalizers.NFKC(), *([normalizers.Lowercase()] if layout.lowercase else [])]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([*layout.first, *layout.last])
    return tokenizer


_TRAIN = {"wordpiece": _word_piece, "bpe": _byte_level_bpe, "unigram": _unigram}


def _with_last(tokenizer: Tokenizer, layout: Layout) -> Tokenizer:
    """Put the tokens that stand at the end of the vocabulary there, inside the model, as trained tokenizers have it."""
    if layout.last:
        state = json.loads(tokenizer.to_str())
        vocabulary = state["model"]["vocab"]
        for token in layout.last:
            vocabulary[token] = len(vocabulary)
        tokenizer = Tokenizer.from_str(json.dumps(state))
        tokenizer.add_special_tokens(list(layout.last))
    return tokenizer


def _write_vocabulary(tokenizer: Tokenizer, kind: str, folder: Path) -> None:
    model = json.loads(tokenizer.to_str())["model"]
    if kind == "wordpiece":
        ordered = sorted(model["vocab"], key=model["vocab"].get)
        (folder / "vocab.txt").write_text("\n".join(ordered) + "\n", encoding="utf-8")
    elif kind == "bpe":
        _write_json(folder / "vocab.json", model["vocab"])
        merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
        (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
