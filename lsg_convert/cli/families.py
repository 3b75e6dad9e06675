"""`lsg-convert families`."""

from __future__ import annotations

from lsg_convert.cli import parameters as p
from lsg_convert.cli.console import Console


def families(json: p.Json = False, quiet: p.Quiet = False, verbose: p.Verbose = False) -> None:
    """List what can be converted, with heads and limits."""
    console = Console(json, quiet, verbose)
    with console.working():
        from lsg_convert.cli.render import families_table, family_as_dict
        from lsg_convert.families import listed_families

        table = [family_as_dict(family) for family in listed_families()]
    console.result({"families": table}, families_table(table))
    console.hint(
        "Learned positions are repeated, sinusoids continued, relative ones reach any distance: up to "
        f"{table[0]['limits']['max_len']:,} tokens.\n"
        "Decoders stay the library's own. `lsg-convert inspect MODEL` shows the plan for a checkpoint."
    )
