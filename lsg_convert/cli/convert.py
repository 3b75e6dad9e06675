"""`lsg-convert convert MODEL`, also `lsg-convert MODEL`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from lsg_convert.cli import parameters as p
from lsg_convert.cli.batch import check_request, one_by_one
from lsg_convert.cli.console import Console
from lsg_convert.cli.options import takes_options
from lsg_convert.cli.options_file import Config, Like

if TYPE_CHECKING:
    from lsg_convert import ConversionResult, PushResult

Push = Annotated[
    p.Text,
    p.option(
        "Publish the folder on the Hub when it is complete, e.g. me/lsg-bart-base-4096.",
        panel="Output",
        metavar="REPO_ID",
    ),
]


@takes_options()
def convert(
    models: p.Models,
    push: Push = None,
    revision: p.Revision = None,
    token: p.Token = None,
    cache_dir: p.CacheDir = None,
    config: Config = None,  # these two have set the defaults of the others when they were read
    like: Like = None,
    dry_run: p.DryRun = False,
    verify: p.Verify = True,
    json: p.Json = False,
    quiet: p.Quiet = False,
    verbose: p.Verbose = False,
    **options: Any,
) -> None:
    """Convert a checkpoint into a folder with LSG attention.

    \b
    Examples:
      lsg-convert bart-base
      lsg-convert facebook/bart-base --max-len 16384 --num-global-tokens 7
      lsg-convert ./my-bert --sparsity-type none --block-size 256 -o ./long-bert
      lsg-convert ccdv/lsg-bart-base-4096 --max-len 16384
      lsg-convert bart-base roberta-base --like ./lsg-bert-base-uncased-4096
      lsg-convert --config run.yaml --dry-run --json

    For a source that is LSG already (as in the fourth example), what is not asked for
    stays as it is: length, attention, global tokens and their values.
    """
    console = Console(json, quiet, verbose, secrets=[token])
    check_request(models, options, push)

    def run(model: str) -> dict[str, Any]:
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
            sent = (
                lsg_convert.push(result.output, push, token=token, reporter=console) if push and not dry_run else None
            )
        return _shown(console, result, sent)

    one_by_one(console, models, run)


def _shown(console: Console, result: ConversionResult, sent: PushResult | None) -> dict[str, Any]:
    """Show what came of one model; returns it as plain data, which --json prints when all are done."""
    from lsg_convert.cli.paths import next_steps
    from lsg_convert.cli.render import conversion_summary, plan_tables, push_tables

    payload = result.as_dict() | ({"pushed": sent.as_dict()} if sent else {})
    if console.json_output:
        return payload
    if result.record is None:
        console.result(payload, *plan_tables(payload, console.clean))
        console.hint("A dry run: nothing was written.")
        return payload
    published = push_tables(payload["pushed"], console.clean) if sent else []
    console.result(payload, *conversion_summary(payload, console.clean), *published)
    auto_class = result.plan.family.heads[result.plan.architecture].auto_class
    console.hint(next_steps(payload["output"], auto_class), to_copy=True)
    return payload
