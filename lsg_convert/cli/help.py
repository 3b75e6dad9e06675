"""Plain help pages with grouped options: option names are never cut, as the drawn ones are at 80 columns."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

from lsg_convert.cli.words import DEFAULT_COMMAND


class GroupedCommand(TyperCommand):
    """A command whose options stand under the headings of their `rich_help_panel`."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return `[OPTIONS]` and the arguments: in brackets what may be missing, with dots what may come again."""
        pieces = ["[OPTIONS]"]
        for parameter in self.get_params(ctx):
            if parameter.param_type_name == "argument":
                again = "..." if parameter.nargs == -1 else ""
                pieces.append(f"{parameter.metavar}{again}" if parameter.required else f"[{parameter.metavar}{again}]")
        return pieces

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then each group of options."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if parameter.param_type_name == "argument":
                record = (str(parameter.metavar), record[1])
            default = "Arguments" if parameter.param_type_name == "argument" else "Options"
            groups.setdefault(getattr(parameter, "rich_help_panel", None) or default, []).append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)


class CommandGroup(TyperGroup):
    """The commands, for a shell that completes words: what is not a command is what `convert` takes."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that `args` begin with."""
        if ctx.resilient_parsing and args and args[0] not in self.commands:
            return DEFAULT_COMMAND, self.commands[DEFAULT_COMMAND], args
        return super().resolve_command(ctx, args)
