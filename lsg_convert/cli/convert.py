"""`lsg-convert convert MODEL`, also `lsg-convert MODEL`."""

from __future__ import annotations

from typing import Any

from lsg_convert.cli import parameters as p
from lsg_convert.cli.console import Console
from lsg_convert.cli.options import takes_options


@takes_options()
def convert(
    model: p.Model,
    revision: p.Revision = None,
    token: p.Token = None,
    cache_dir: p.CacheDir = None,
    dry_run: p.DryRun = False,
    verify: p.Verify = True,
    json: p.Json = False,
    quiet: p.Quiet = False,
    **options: Any,
) -> None:
    """Convert a checkpoint into a folder with LSG attention.

    \b
    Examples:
      lsg-convert bart-base
      lsg-convert facebook/bart-base --max-len 16384 --num-global-tokens 7
      lsg-convert ./my-bert --sparsity-type none --block-size 256 -o ./long-bert
      lsg-convert ccdv/lsg-bart-base-4096 --max-len 16384
      lsg-convert bart-base --dry-run --json

    For a source that is LSG already (as in the last but one example), what is not asked for
    stays as it is: length, attention, global tokens and their values.
    """
    console = Console(json, quiet, secrets=[token])
    with console.working():
        import lsg_convert

        result = lsg_convert.convert(
            model,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            dry_run=dry_run,
            verify=verify,
            reporter=console,
            **options,
        )
    from lsg_convert.cli.render import conversion_summary, next_steps, plan_tables

    payload = result.as_dict()
    if dry_run:
        console.result(payload, *plan_tables(payload, console.clean))
        console.hint("A dry run: nothing was written.")
        return
    console.result(payload, *conversion_summary(payload, console.clean))
    console.hint(next_steps(payload["output"], result.plan.family.heads[result.plan.architecture].auto_class))
