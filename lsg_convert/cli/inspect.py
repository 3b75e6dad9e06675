"""`lsg-convert inspect MODEL|FOLDER`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lsg_convert.cli import parameters as p
from lsg_convert.cli.console import Console
from lsg_convert.cli.options import asked_for, takes_options
from lsg_convert.cli.options_file import Config, Like


@takes_options(omit=("output", "force"))
def inspect(
    model: p.Model,
    revision: p.Revision = None,
    token: p.Token = None,
    cache_dir: p.CacheDir = None,
    config: Config = None,  # these two have set the defaults of the others when they were read
    like: Like = None,
    json: p.Json = False,
    quiet: p.Quiet = False,
    verbose: p.Verbose = False,
    **options: Any,
) -> None:
    """Show what converting MODEL would do, or what a converted folder is. Never writes.

    For a converted folder, any option asks what converting it again would do.

    \b
    Examples:
      lsg-convert inspect bart-base
      lsg-convert inspect ./lsg-bart-base-4096
      lsg-convert inspect ./my-bert --max-len 8192 --json
    """
    console = Console(json, quiet, verbose, secrets=[token])
    from lsg_convert.cli.render import plan_tables, record_tables

    with console.working():
        from lsg_convert.conversion import inspect as inspect_source
        from lsg_convert.folder.saved_again import is_converted
        from lsg_convert.folder.saved_record import read_converted

        is_folder = not asked_for(options) and is_converted(Path(model))
        record = read_converted(Path(model)).as_dict() if is_folder else None
        if record is None:
            result = inspect_source(
                model, revision=revision, token=token, cache_dir=cache_dir, reporter=console, **options
            )
    if record is not None:
        console.result({"converted": True, **record}, *record_tables(record, console.clean))
        return
    payload = {"converted": False, **result.as_dict()}
    console.result(payload, *plan_tables(payload, console.clean))
