"""Values that the options of ``lerf resize`` have for commands that do what it does."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["resize_values"]


def resize_values(ctx: click.Context, *inputs: str) -> dict[str, Any]:
    """Return the values of the options of ``lerf resize`` where none is given.

    Parameters
    ----------
    ctx : click.Context
        Of another command of the program.
    *inputs : str
        Its inputs; output and scale stand for any.

    Raises
    ------
    click.UsageError
        If there is no such command in the program.
    """
    group = ctx.find_root().command
    command = group.get_command(ctx, "resize") if isinstance(group, click.Group) else None
    if command is None:
        raise click.UsageError("it is a command of 'lerf', beside 'lerf resize'")
    return command.make_context("resize", ["-o", "out/", "--scale", "2", "--", *inputs]).params
