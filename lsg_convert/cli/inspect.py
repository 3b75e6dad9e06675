"""`lsg-convert inspect MODEL|FOLDER`."""

from __future__ import annotations

from lsg_convert.cli import parameters as p
from lsg_convert.cli.console import Console


def inspect(
    model: p.Model,
    max_len: p.MaxLen = None,
    architecture: p.Architecture = None,
    revision: p.Revision = None,
    token: p.Token = None,
    cache_dir: p.CacheDir = None,
    json: p.Json = False,
    quiet: p.Quiet = False,
) -> None:
    """Show what converting MODEL would do, or what a converted folder is. Never writes.

    \b
    Examples:
      lsg-convert inspect bart-base
      lsg-convert inspect ./lsg-bart-base-4096
      lsg-convert inspect ./my-bert --max-len 8192 --json
    """
    console = Console(json, quiet, secrets=[token])
    with console.working():
        from lsg_convert.plan import inspect_model

        plan = inspect_model(
            model,
            max_len=max_len,
            architecture=architecture,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            reporter=console,
        )
    from lsg_convert.cli.render import plan_tables

    console.result(plan.as_dict(), *plan_tables(plan.as_dict(), console.clean))
