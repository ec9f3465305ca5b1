"""Entry point ``lerf``: a group whose commands are imported only when they run."""

from __future__ import annotations

import importlib
import signal
from contextlib import suppress
from typing import Any, NamedTuple

import click

from lerf_cli.startup import loading_modules
from lerf_cli.streams import BROKEN_PIPE_STATUS, close_quietly, occupy_closed_streams


class Entry(NamedTuple):
    """Where a command lives, and what the overview says of it."""

    module: str
    attribute: str
    summary: str


COMMANDS = {
    "resize": Entry("lerf_cli.commands.resize", "resize", "Resize images to a scale or a size."),
    "warp": Entry(
        "lerf_cli.commands.warp", "warp", "Warp images by a matrix, corners, angle or field."
    ),
    "info": Entry(
        "lerf_cli.commands.info", "info", "Say what files are, and what a resize of them takes."
    ),
    "compare": Entry(
        "lerf_cli.commands.compare",
        "compare",
        "Show results by banks and kernels on one page with a slider.",
    ),
    "inspect": Entry(
        "lerf_cli.commands.inspect", "inspect", "Write the parameters of an image's pixels as maps."
    ),
    "models": Entry(
        "lerf_cli.commands.models", "models", "List, inspect, import and export banks."
    ),
    "train": Entry("lerf_cli.commands.train", "train", "Train a bank on photographs."),
    "finetune": Entry("lerf_cli.commands.finetune", "finetune", "Train a bank's tables further."),
    "train-shrinking": Entry(
        "lerf_cli.commands.train_shrinking",
        "train_shrinking",
        "Train a function for shrinking on photographs.",
    ),
    "transfer": Entry(
        "lerf_cli.commands.transfer", "transfer", "Turn trained networks into tables."
    ),
    "evaluate": Entry(
        "lerf_cli.commands.evaluate", "evaluate", "Measure quality on benchmark folders."
    ),
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and summaries without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the overview."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        try:
            with loading_modules():
                module = importlib.import_module(entry.module)
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"'lerf {cmd_name}' needs the module {error.name!r}, which is not installed"
            ) from error
        command = getattr(module, entry.attribute)
        if not isinstance(command, click.Command):
            raise click.ClickException(f"{entry.module}.{entry.attribute} is not a command")
        return command

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run as a program; see `click.Group`."""
        occupy_closed_streams()
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; Ctrl-C, and a reader that leaves, end it with the status of such ends."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            with suppress(OSError):
                click.echo("lerf: interrupted", err=True)
            ctx.exit(128 + signal.SIGINT)
        except BrokenPipeError:
            close_quietly("stdout")
            ctx.exit(BROKEN_PIPE_STATUS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview from the summaries alone: no import is needed."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="lerf")
def main() -> None:
    """Learned image resampling: resize and warp images with steerable functions.

    \b
    Examples:
      lerf resize photo.jpg -o photo_x2.jpg --scale 2
      lerf resize photos/ -o small/ --size 1920x --recursive
      lerf warp page.jpg -o flat.png --corners "0,0 999,40 980,1399 10,1380"

    'lerf COMMAND --help' explains each command.
    """


if __name__ == "__main__":
    main(prog_name="lerf")
