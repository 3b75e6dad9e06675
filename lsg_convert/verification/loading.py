"""Loading the two models that are compared, and deciding whose code may run.

The source is loaded with the library's own class and never with code of its own. A folder's modeling files run only
when they are the ones that ship with lsg-convert, byte for byte, or when the user trusts them.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable
from lsg_convert.families import Family
from lsg_convert.folder.remote_code import modeling_files, ships


def foreign_code(folder: Path, family: Family) -> list[str]:
    """Modeling files that `folder` lacks or that are not, byte for byte, the ones that ship."""
    return [
        name
        for name in modeling_files(family)
        if not (folder / name).is_file() or not ships(family, name, (folder / name).read_bytes())
    ]


def load_source_model(folder: Path, architecture: str, dtype: str, device: str) -> Any:
    """The library's model `architecture` with the weights in `folder`, in evaluation mode.

    Raises:
        RequestError: the library has no such class.
    """
    import transformers

    # By its name and not by an Auto class: those may meanwhile know other classes for this kind of config.
    model_class = getattr(transformers, architecture, None)
    if model_class is None or not model_class.__module__.startswith("transformers."):
        raise RequestError(f"transformers {transformers.__version__} has no {printable(architecture)}")
    return _load(model_class, folder, dtype, device)[0]


def load_converted_model(
    folder: Path, family: Family, class_name: str, dtype: str, device: str, **options: Any
) -> tuple[Any, dict[str, Any]]:
    """The model in a converted folder, by the folder's own code, and what the library says about its loading.

    `options` override fields of its configuration. Whoever calls has made sure that the code may run.
    """
    module = _import_modeling(folder, family.modeling_file)
    return _load(getattr(module, class_name), folder, dtype, device, **options)


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in `folder`, never by code of its own."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def _load(model_class: Any, folder: Path, dtype: str, device: str, **options: Any) -> tuple[Any, dict[str, Any]]:
    import torch
    import transformers
    from packaging.version import Version

    dtype_name = "dtype" if Version(transformers.__version__) >= Version("4.56") else "torch_dtype"
    # Heads without weights are drawn at random: the same ones every time, and no one else's random state changes.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, info = model_class.from_pretrained(
            str(folder),
            local_files_only=True,
            output_loading_info=True,
            **{dtype_name: getattr(torch, dtype)},
            **options,
        )
    return model.to(device).eval(), info


def _import_modeling(folder: Path, module_file: str) -> ModuleType:
    """The modeling module in `folder`, imported from there as a package of its own.

    The library's loader of remote code copies the files into a cache and keeps what it once imported under a folder's
    name; here another content or place is another package.
    """
    place = folder.resolve()
    digest = hashlib.sha256(str(place).encode())
    for path in sorted(place.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    package = f"lsg_convert_folder_{digest.hexdigest()[:16]}"
    if package not in sys.modules:
        sys.modules[package] = ModuleType(package)
        sys.modules[package].__path__ = [str(place)]
    importlib.invalidate_caches()
    with _no_bytecode():
        return importlib.import_module(f"{package}.{module_file}")


@contextmanager
def _no_bytecode() -> Iterator[None]:
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
