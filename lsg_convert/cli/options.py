"""The options of a conversion as parameters of commands, made from the fields of `ConvertOptions`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, fields
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from lsg_convert.cli import parameters as p
from lsg_convert.plan.options import ConvertOptions, Dtype, help_of
from lsg_convert.plan.positions import Positions

Command = TypeVar("Command", bound=Callable[..., None])


def takes_options(*, omit: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """Let a command whose last parameter is `**options` take the options of a conversion, after its first argument.

    Typer reads them from the command's signature; those named by `omit` are left out.
    """
    kinds = get_type_hints(ConvertOptions)
    options = [
        Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=_annotated(field, kinds))
        for field in fields(ConvertOptions)
        if field.name not in omit
    ]

    def decorate(command: Command) -> Command:
        hints = get_type_hints(command, include_extras=True)
        given = [each.replace(annotation=hints[name]) for name, each in signature(command).parameters.items()]
        others = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in given[1:-1]]
        taken = Signature([given[0], *options, *others], return_annotation=None)
        command.__annotations__ = {name: each.annotation for name, each in taken.parameters.items()}
        command.__signature__ = taken  # type: ignore[attr-defined]
        return command

    return decorate


def asked_for(options: dict[str, Any]) -> dict[str, Any]:
    """The options that differ from their defaults."""
    defaults = {field.name: field.default for field in fields(ConvertOptions)}
    return {name: value for name, value in options.items() if value != defaults[name]}


def _annotated(field: Field[Any], kinds: dict[str, Any]) -> Any:
    flag = f"--{field.name.replace('_', '-')}"
    if field.metadata["short"]:
        flags = [flag, field.metadata["short"]]
    elif kinds[field.name] is bool:  # a switch that is off by default needs no --no-…
        flags = [flag]
    else:
        flags = []
    text = help_of(field)
    shown = field.default is not None and "Default:" not in text
    more: dict[str, Any] = {"case_sensitive": False}
    if kinds[field.name] is Dtype:
        more = p.dtype_choice(get_args(Dtype))
    elif kinds[field.name] is Positions:  # more than fit into a line; the help names them
        more["metavar"] = "HOW"
    return Annotated[kinds[field.name], p.option(text, *flags, panel=field.metadata["panel"], shown=shown, **more)]
