"""How the folder's tokenizer sets two texts apart, which rules for global tokens go by."""

from __future__ import annotations

from pathlib import Path

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import read_json_object
from lsg_convert.common.json_files import write_json
from lsg_convert.modeling.lsg_options import SEPARATED, LSGOptions
from lsg_convert.plan.tokenizer_process import ask_tokenizer


def name_separators(folder: Path, options: LSGOptions) -> None:
    """Put into the folder's configuration what the options' rule for global tokens needs and they do not say: which
    token separates two texts, and how many of it the tokenizer sets.

    Raises:
        RequestError: the tokenizer does not load, or sets no two texts apart.
    """
    if options.automatic_globals not in SEPARATED or options.separator_token_id is not None:
        return
    answer = ask_tokenizer(folder, by_library=True)
    roles, pair = answer["roles"], answer["pair"]
    separator = roles["eos"] if roles["sep"] is None else roles["sep"]
    count = 0 if separator is None else pair.count(separator)
    if count < 2:
        raise RequestError(
            f"--automatic-globals {options.automatic_globals} goes by the separators between two texts, but this "
            f"tokenizer sets {count or 'none'} in tokenizer(question, text), where two or three are expected.",
            "Leave the option out, and give global_attention_mask when the model is called.",
        )
    file = folder / "config.json"
    write_json(file, read_json_object(file) | {"separator_token_id": separator, "num_separators": count})
