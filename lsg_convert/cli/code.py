"""`lsg-convert code FAMILY`."""

from __future__ import annotations

from typing import Annotated

from lsg_convert.cli import parameters as p
from lsg_convert.cli.completion import complete_family
from lsg_convert.cli.console import Console
from lsg_convert.common.errors import RequestError
from lsg_convert.modeling.lsg_options import BackendName, LocalAttention, SparsityType

Family = Annotated[
    str,
    p.argument(
        "FAMILY",
        "A family as `lsg-convert families` lists it (bert), or a pair by its encoder (encoder-decoder/bert).",
        autocompletion=complete_family,
    ),
]
Output = Annotated[p.File, p.option("Write it to a new file. Default: print it.", "--output", "-o", metavar="FILE")]
AttentionBackend = Annotated[
    BackendName,
    p.option(
        "Put the code of an optional backend in: flex (FlexAttention, for GPUs), cpp (a C++ kernel, for CPUs).",
        shown=True,
    ),
]
SparsityTypeOption = Annotated[SparsityType, p.option("lsh: put the code of this sparsity type in.", shown=True)]
LocalAttentionOption = Annotated[LocalAttention, p.option("sliding: put the code of this attention in.", shown=True)]


def code(
    family: Family,
    output: Output = None,
    attention_backend: AttentionBackend = "auto",
    sparsity_type: SparsityTypeOption = "norm",
    local_attention: LocalAttentionOption = "block",
    json: p.Json = False,
    quiet: p.Quiet = False,
    verbose: p.Verbose = False,
) -> None:
    """Show the one code file that a folder of a family carries, generated as it is for a folder.

    \b
    Examples:
      lsg-convert code bert
      lsg-convert code encoder-decoder/bert -o modeling_lsg_bert_pair.py
      lsg-convert code bert | diff - ./lsg-my-bert-4096/modeling_lsg_bert.py
    """
    if quiet and output is None and not json:
        raise RequestError("--quiet prints nothing, and no file was named.", "Name one with --output.")
    console = Console(json, quiet, verbose)
    with console.working():
        import hashlib

        from lsg_convert.families.lookup import require_family
        from lsg_convert.folder.remote_code import modeling_files, parts_of, write_code

        found = require_family(family)
        asked = {
            "attention_backend": attention_backend,
            "sparsity_type": sparsity_type,
            "local_attention": local_attention,
        }
        ((name, content),) = modeling_files(found, parts_of(asked)).items()
        if output is not None:
            write_code(output, content)
    payload = {
        "family": found.model_type,
        "file": name,
        "output": None if output is None else str(output),
        "lines": content.count(b"\n"),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    if output is None:
        console.text(payload | {"code": content.decode()}, content.decode())
    else:
        console.text(payload, "")
        console.hint(f"{output}: {payload['lines']:,} lines, SHA-256 {payload['sha256']}")
