"""The tokens that global embeddings are made of, as the folder's own tokenizer knows them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lsg_convert.errors import RequestError
from lsg_convert.safe_files import printable


@dataclass(frozen=True)
class SpecialTokens:
    """Ids of the token that inputs open with and of the mask token (or what stands in for each)."""

    first: int
    mask: int


def read_special_tokens(folder: Path, vocabulary: int) -> SpecialTokens:
    """Load the tokenizer in `folder` (never with code of its own) and look the tokens up.

    Raises:
        RequestError: the tokenizer does not load, or an id is outside the `vocabulary` rows of the word embeddings.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # the library raises whatever its tokenizers raise
        raise RequestError(
            f"the source's tokenizer does not load: {printable(error, 300)}",
            "Check its tokenizer files: AutoTokenizer.from_pretrained(folder).",
        ) from error
    first = _first_known(
        tokenizer.cls_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id
    )
    mask = _first_known(tokenizer.mask_token_id, tokenizer.unk_token_id, first)
    for name, token in (("first", first), ("mask", mask)):
        if not 0 <= token < vocabulary:
            raise RequestError(
                f"the tokenizer's {name} token has id {token}, but the word embeddings have {vocabulary} rows.",
                "The tokenizer does not belong to these weights.",
            )
    return SpecialTokens(first, mask)


def _first_known(*ids: int | None) -> int:
    return next((token for token in ids if token is not None), 0)
