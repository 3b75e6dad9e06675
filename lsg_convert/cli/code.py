"""`lsg-convert code FAMILY`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lsg_convert.cli import parameters as p
from lsg_convert.cli.console import Console
from lsg_convert.modeling.lsg_options import BackendName, SparsityType

Family = Annotated[
    str,
    typer.Argument(
        metavar="FAMILY",
        help="A family as `lsg-convert families` lists it (bert), or a pair by its encoder (encoder-decoder/bert).",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write it to a new file. Default: print it.",
        show_default=False,
    ),
]
AttentionBackend = Annotated[
    BackendName,
    typer.Option(
        help="Put the code of an optional backend in: flex (FlexAttention, for GPUs), cpp (a C++ kernel, for CPUs).",
    ),
]
SparsityTypeOption = Annotated[SparsityType, typer.Option(help="lsh: put the code of this sparsity type in.")]


def code(
    family: Family,
    output: Output = None,
    attention_backend: AttentionBackend = "auto",
    sparsity_type: SparsityTypeOption = "norm",
    json: p.Json = False,
    quiet: p.Quiet = False,
) -> None:
    """Show the one code file that a folder of a family carries, generated as it is for a folder.

    \b
    Examples:
      lsg-convert code bert
      lsg-convert code encoder-decoder/bert --output modeling_lsg_encoder_decoder.py
      lsg-convert code bert | diff - ./lsg-my-bert-4096/modeling_lsg_bert.py
    """
    console = Console(json, quiet)
    with console.working():
        import hashlib

        from lsg_convert.families.lookup import require_family
        from lsg_convert.folder.remote_code import modeling_files, write_code

        found = require_family(family)
        ((name, content),) = modeling_files(found, attention_backend, sparsity_type).items()
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
