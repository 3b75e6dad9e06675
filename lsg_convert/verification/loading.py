"""Loading the two models that are compared, and their tokenizers.

The source is loaded with the library's own class and never with code of its own; a folder by its code, once that has
passed the gate (`folder/trusted_code.py`); a tokenizer only from what may travel of its files.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable, read_json_object, safe_file
from lsg_convert.families import Family, library_model_type
from lsg_convert.folder.auxiliary_files import copy_tokenizer
from lsg_convert.folder.model_loading import keep_attention_type, load_model
from lsg_convert.folder.trusted_code import FolderCode
from lsg_convert.plan.foreign_keys import without_foreign_keys
from lsg_convert.plan.tokenizer_process import prove_tokenizer
from lsg_convert.sources.checkpoint import CONFIG_LIMIT


def load_source_model(folder: Path, architecture: str, dtype: str, device: str) -> tuple[Any, dict[str, Any]]:
    """The library's model `architecture` with the weights in `folder`, in evaluation mode, and what the library says
    about its loading.

    Raises:
        RequestError: the library has no such class.
    """
    import transformers

    # By its name and not by an Auto class: those may meanwhile know other classes for this kind of config.
    model_class = getattr(transformers, architecture, None)
    if model_class is None or not model_class.__module__.startswith("transformers."):
        raise RequestError(f"transformers {transformers.__version__} has no {printable(architecture)}")
    model, info = load_model(model_class, folder, dtype, device)
    return keep_attention_type(model), info


def load_converted_model(
    folder: Path,
    code: FolderCode,
    family: Family,
    class_name: str,
    dtype: str,
    device: str,
    trusted: bool = False,
    **options: Any,
) -> tuple[Any, dict[str, Any]]:
    """The model in a converted folder, by the folder's code, and what the library says about its loading.

    `options` override fields of its configuration.

    Raises:
        RequestError: the code is not what ships, and is not trusted.
    """
    module = code.load(family, trusted)
    return load_model(getattr(module, class_name), folder, dtype, device, **options)


def load_tokenizer(folder: Path, family: Family, texts: Iterable[str], proven: bool = False) -> Any:
    """The tokenizer in `folder`, of a model of `family`, never by code of its own, to be used on `texts`.

    Unless it is `proven`, it is loaded and used in a process of its own first, which may die of it: what went well
    there goes well here, where it is used often.

    Raises:
        RequestError: it cannot be loaded within bounds.
    """
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory(prefix="lsg-convert-") as name:
        view = Path(name)
        copy_tokenizer(folder, view)
        config = without_foreign_keys(read_json_object(safe_file(folder, "config.json"), CONFIG_LIMIT))
        (view / "config.json").write_text(
            json.dumps(config | {"model_type": library_model_type(config, family)}), encoding="utf-8", newline="\n"
        )
        if not proven:
            prove_tokenizer(view, texts)
        return AutoTokenizer.from_pretrained(view, trust_remote_code=False, local_files_only=True)
