"""An option that may be given with one of its choices, or alone: then the first is meant.

click takes whatever follows such an option for its value, an input file too. Here a word that is
none of the choices is what it would be without the option.
"""

from __future__ import annotations

import click

__all__ = ["OptionalChoice", "OptionalChoiceCommand"]


class OptionalChoice(click.Option):
    """An option of an `OptionalChoiceCommand` whose value may be left out; its type is a Choice."""

    def completed(self, args: list[str]) -> list[str]:
        """Return arguments in which the option has a value wherever it is given."""
        if not isinstance(self.type, click.Choice):
            raise TypeError(f"an optional choice needs a click.Choice, got {self.type!r}")
        choices = list(self.type.choices)
        end = args.index("--") if "--" in args else len(args)
        return [
            f"{word}={choices[0]}"
            if word in self.opts
            and number < end
            and args[number + 1 : number + 2] not in [[c] for c in choices]
            else word
            for number, word in enumerate(args)
        ]


class OptionalChoiceCommand(click.Command):
    """A command some of whose options are of `OptionalChoice`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Complete such options, and parse; see `click.Command`."""
        for option in self.params:
            if isinstance(option, OptionalChoice):
                args = option.completed(args)
        return super().parse_args(ctx, args)
