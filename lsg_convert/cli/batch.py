"""Several models in one call: asked for at once, converted one by one, each failure told and none in another's way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import typer

from lsg_convert.cli.console import Console
from lsg_convert.cli.failures import OutputError, describe
from lsg_convert.common.errors import RequestError
from lsg_convert.common.interruption import RUN


def check_request(models: Sequence[str], options: Mapping[str, Any], push: str | None) -> None:
    """Refuse what cannot be done for all models together, before anything is done for the first.

    Raises:
        RequestError: a name is no model's, two folders would be one, or one place is named for several folders.
    """
    if push is not None:
        from lsg_convert.folder.publish import check_repo_id

        check_repo_id(push)
    if len(models) < 2:
        return
    from lsg_convert.conversion import default_output
    from lsg_convert.sources.resolve import check_name

    for option, value in (("--output", options.get("output")), ("--push", push)):
        if value is not None:
            raise RequestError(f"{option} names one place for {len(models)} models.", "Convert them one at a time.")
    outputs: dict[str, str] = {}
    for model in models:
        name = str(default_output(check_name(model), 0))
        if name in outputs:
            raise RequestError(
                f"'{outputs[name]}' and '{model}' would be written to the same folder.",
                "Convert them one at a time, with --output.",
            )
        outputs[name] = model


def one_by_one(console: Console, models: Sequence[str], run: Callable[[str], dict[str, Any]]) -> None:
    """Run every model; the exit code is that of the first failure.

    Raises what `run` raises where there is one model only.
    """
    if len(models) == 1:
        payload = run(models[0])
        if console.json_output:
            console.result(payload)
        return
    done: list[dict[str, Any]] = []
    codes: list[int] = []
    for model in models:
        RUN.go_on()
        made = (
            RUN.keeping(f"what was made before it is complete: {len(done)} of {len(models)}") if done else nullcontext()
        )
        console.hint(f"{model}:")
        with made:
            try:
                done.append(run(model))
            except OutputError:  # nobody can read of the others either
                raise
            except Exception as error:
                failure = describe(error)
                codes.append(failure.exit_code)
                told = {"message": failure.message, "hint": failure.hint, "exit_code": failure.exit_code}
                done.append({"model": model, "error": told})
                if not console.json_output:
                    console.error(f"{model}: {failure.message}", failure.hint, failure.exit_code)
    if console.json_output:
        console.result({"conversions": done})
    if codes:
        raise typer.Exit(codes[0])
