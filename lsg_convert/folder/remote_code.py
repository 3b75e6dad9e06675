"""The code that comes with a folder: one file, generated from the modules in `modeling/`.

What few need is not in it unless it is asked for: the attention backends `flex` (FlexAttention, for GPUs) and `cpp` (a
C++ kernel, for CPUs), the sparsity type `lsh`, and sliding attention.
"""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable
from lsg_convert.common.version import __version__
from lsg_convert.families import Family, family_named
from lsg_convert.folder.code_generator import Generated, Sources, generate
from lsg_convert.folder.code_imports import WIDTH
from lsg_convert.modeling.lsg_options import LSGOptions

MODELING = Path(__file__).parents[1] / "modeling"
# Values of options whose code is left out of the file unless they are asked for, and the module that holds each.
OPTIONAL: Mapping[str, Mapping[str, str]] = {
    "attention_backend": {"flex": "lsg_flex", "cpp": "lsg_cpp"},
    "sparsity_type": {"lsh": "lsg_hashing"},
    "local_attention": {"sliding": "lsg_sliding"},
}
_LISTED = f"{', '.join(list(OPTIONAL)[:-1])} or {list(OPTIONAL)[-1]}"
_LONGEST_HEADER = 4000  # bytes
_UNNAMED = 'LSG_CODE = ""'
_REGISTER = ("lsg_register", "register_classes")

Parts = frozenset[tuple[str, str]]  # options and their values
NO_PARTS: Parts = frozenset()


def parts_of(options: LSGOptions | Mapping[str, str | None]) -> Parts:
    """The optional parts that a folder with these options needs the code of."""
    values = options if isinstance(options, Mapping) else vars(options)
    return frozenset((name, str(values[name])) for name in OPTIONAL if values.get(name) in OPTIONAL[name])


def modeling_files(family: Family, parts: Parts = NO_PARTS) -> dict[str, bytes]:
    """The code of a folder of this family, by file name: one file, without the optional parts not asked for."""
    return {f"{family.modeling_file}.py": _code(family.model_type, parts).encode()}


def code_name(family: Family, parts: Parts = NO_PARTS) -> str:
    """What the code calls itself, and a folder's configuration calls it."""
    (code,) = modeling_files(family, parts).values()
    return code.decode().partition(_UNNAMED[:-1])[2].partition('"')[0]


def ships(family: Family, name: str, code: bytes) -> bool:
    """Whether this is, byte for byte, what comes with a folder of this family, with the optional parts that it says."""
    return modeling_files(family, _said_parts(code)).get(name) == code


def _said_parts(code: bytes) -> Parts:
    """The parts in the command that a file of ours says makes it again."""
    header = " ".join(code[:_LONGEST_HEADER].decode("utf-8", "replace").split())
    words = header.partition("`lsg-convert code ")[2].partition("`")[0].split()
    named = {option.removeprefix("--").replace("-", "_"): value for option, value in pairwise(words)}
    return parts_of(named)


def write_code(path: Path, code: bytes) -> None:
    """Write code to a new file.

    Raises:
        RequestError: there is one already.
        OSError: it cannot be written; then nothing is left of it.
    """
    try:
        file = path.open("xb")
    except FileExistsError as error:
        raise RequestError(
            f"the output {printable(path, 300)} exists already.", "Choose another --output, or remove it."
        ) from error
    try:
        with file:
            file.write(code)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@lru_cache(maxsize=64)
def _code(name: str, parts: Parts) -> str:
    family = family_named(name)
    assert family is not None
    modules = {OPTIONAL[option][value] for option, value in parts} | set(family.modules)
    left_out = {
        value: module for values in OPTIONAL.values() for value, module in values.items() if module not in modules
    }
    sources = Sources(MODELING, left_out=set(left_out.values()), constants={"LEFT_OUT": _tuple(list(left_out))})
    roots = [
        (family.modeling_file, name)
        for definition in sources.module(family.modeling_file).definitions
        for name in definition.names
    ]
    lines = _registration(family)
    if family.inner is not None:
        encoder = family.inner.lsg_class(family.inner.base_class)
        roots.append((family.inner.modeling_file, encoder))
        config = family.auto_map()["AutoConfig"].rpartition(".")[2]
        lines = [
            f'{config}.model_type = "{family.lsg_model_type}"',
            f"{family.lsg_class(family.base_class)}.lsg_encoder = {encoder}",
            *("", "", *lines),
        ]
    generated = generate(sources, [*roots, _REGISTER])
    asked = [f"--{option.replace('_', '-')} {value}" for option, value in sorted(parts)]
    command = " ".join([f"lsg-convert code {name}", *asked])
    header = _header(sources.module(family.modeling_file).doc, generated, command, list(left_out))
    code = "\n".join([generated.imports, "", generated.body, "", "", *lines, ""])
    digest = hashlib.sha256(code.encode()).hexdigest()[:16]
    return f"{header}\n\n{code.replace(_UNNAMED, _UNNAMED[:-1] + digest + _UNNAMED[-1], 1)}"


def _header(doc: str, generated: Generated, command: str, left_out: list[str]) -> str:
    """The file's docstring: what it is, whence, how to make it again, and what is in it."""
    origin = (
        f"Generated by lsg-convert {__version__}, under the Apache License 2.0, from its modules "
        f"{', '.join(generated.modules)}, in this order. `{command}` makes it again: change it there rather than here."
    )
    missing = (
        f"Left out, as few need it: {', '.join(map(repr, left_out))}, values of {_LISTED}. "
        "Converting with one of them writes a folder that has its code."
    )
    filled = [textwrap.fill(part, WIDTH, break_long_words=False, break_on_hyphens=False) for part in (origin, missing)]
    return '"""' + "\n\n".join([doc.partition("\n")[0], *filled]) + '\n"""'


def _registration(family: Family) -> list[str]:
    """Lines that tell the library of our classes, where it is the library that loads the file."""
    auto_map = family.auto_map()
    references = [auto_map.pop("AutoConfig"), *auto_map.values()]
    return [
        'if __name__.startswith("transformers_modules."):  # the library runs this as the code of a folder',
        f"    {_REGISTER[1]}(",
        *(f"        {reference.rpartition('.')[2]}," for reference in references),
        "    )",
    ]


def _tuple(items: list[str]) -> str:
    quoted = [f'"{item}"' for item in items]
    return f"({', '.join(quoted)}{',' if len(items) == 1 else ''})"
