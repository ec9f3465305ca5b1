"""What ``lerf evaluate compare`` prints and writes: gains over a bank, and what is worse."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lerf_training.evaluation.gains import Gain
    from lerf_training.evaluation.methods import Method
    from lerf_training.evaluation.scores import Score
    from lerf_training.evaluation.unnatural import Change, Measured, Summary

__all__ = ["ComparisonReport"]

_UNNATURAL = "unnatural"
_HEAD = (
    "task", "case", "method", "images", "PSNR", "SSIM-Y", "gain", "error", "better", "worse",
    "worst", "of",
)  # fmt: skip
# Columns of names, which stand to the left.
_NAMES = frozenset({0, 1, 2, len(_HEAD) - 1})


@dataclass(frozen=True)
class ComparisonReport:
    """What was compared, and the figures that came of it.

    Attributes
    ----------
    protocol : dict of str
        What the comparison fixes.
    methods : sequence of Method
    base : str
        The bank that gains are to.
    scores : sequence of Score
        Of every method on every photograph.
    measured : sequence of Measured
        Of every bank on every unnatural input.
    """

    protocol: dict[str, str]
    methods: Sequence[Method]
    base: str
    scores: Sequence[Score]
    measured: Sequence[Measured]

    def print(self) -> None:
        """Print the protocol, the gains, and what is worse."""
        lines = [
            *self.protocol.items(),
            *(("method", f"{method.name}: {method.description}") for method in self.methods),
        ]
        width = max(len(key) for key, _ in lines) + 1
        for key, value in lines:
            click.echo(f"{key + ':':<{width}} {value}")
        rows = self._gains()
        if rows:
            click.echo()
            for line in _table(rows):
                click.echo(line)
        for name, changes in self._changes().items():
            click.echo()
            for line in _worse_lines(name, self.base, changes):
                click.echo(line)
        verdicts = list(self._verdicts(rows))
        if verdicts:
            click.echo()
        for line in verdicts:
            click.echo(line)

    def write_json(self, path: Path) -> None:
        """Write everything."""
        record = {
            "protocol": self.protocol,
            "methods": {method.name: method.description for method in self.methods},
            "base": self.base,
            "gains": [_jsonable(row) for row in self._gains()],
            "images": [_jsonable(score) for score in self.scores],
            "unnatural": {
                name: [_jsonable(change) for change in changes]
                for name, changes in self._changes().items()
            },
            "drawings": [_jsonable(entry) for entry in self.measured],
        }
        text = json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")

    def write_csv(self, path: Path) -> None:
        """Write one figure per row: of every photograph, the means, and of unnatural input."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["task", "case", "method", "image", "measure", "value"])
            for score in self.scores:
                names = [score.dataset, score.case, score.method, score.image]
                writer.writerow([*names, "psnr", f"{score.psnr:.4f}"])
                if score.ssim is not None:
                    writer.writerow([*names, "ssim", f"{score.ssim:.6f}"])
            for row in self._gains():
                names = [row.dataset, row.case, row.method, f"mean of {row.images}"]
                for measure in ("psnr", "ssim", "gain", "error", "better", "worse", "worst"):
                    value = getattr(row, measure)
                    if value is not None:
                        writer.writerow([*names, measure, f"{value:.6f}"])
            for entry in self.measured:
                names = [
                    _UNNATURAL,
                    f"x{entry.scale:g}",
                    entry.method,
                    f"{entry.kind}: {entry.name}",
                ]
                for figure, value in entry.figures.items():
                    writer.writerow([*names, figure, f"{value:.6f}"])

    def _gains(self) -> list[Gain]:
        from lerf_training.evaluation.gains import gains

        return gains(self.scores, self.base)

    def _summary(self) -> Summary:
        from lerf_training.evaluation.unnatural import summary

        return summary(self.measured)

    def _changes(self) -> dict[str, list[Change]]:
        """By the names of the banks other than the base."""
        from lerf_training.evaluation.unnatural import changes

        names = dict.fromkeys(entry.method for entry in self.measured)
        return {
            name: changes(self._summary(), self.base, name) for name in names if name != self.base
        }

    def _verdicts(self, rows: Sequence[Gain]) -> Iterator[str]:
        """A line for each method but the base: what it gains in each task."""
        from lerf_training.evaluation.gains import MEAN

        by_unnatural = self._changes()
        tasks = list(dict.fromkeys(row.dataset for row in rows))
        for method in (one.name for one in self.methods if one.name != self.base):
            parts = []
            for task in tasks:
                own = [row for row in rows if row.dataset == task and row.method == method]
                row = next((row for row in own if row.case == MEAN), own[0] if own else None)
                if row is not None and row.gain is not None:
                    error = "" if row.error is None else f" +- {row.error:.3f}"
                    better = f"{row.better:.0%} of {row.images} better"
                    parts.append(
                        f"{task} {row.gain:+.3f}{error} dB, {better}, worst {row.worst:+.2f}"
                    )
            if method in by_unnatural:
                changes = by_unnatural[method]
                worse = sum(change.verdict == "worse" for change in changes)
                parts.append(f"{_UNNATURAL} {worse} of {len(changes)} figures worse")
            if parts:
                yield f"{method} beside {self.base}: {'; '.join(parts)}"


def _table(rows: Sequence[Gain]) -> list[str]:
    """Lines of the table of gains."""
    cells = [list(_HEAD), *map(_cells, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]
    lines = [
        "  ".join(
            cell.ljust(width) if column in _NAMES else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def _cells(row: Gain) -> list[str]:
    return [
        row.dataset,
        row.case,
        row.method,
        str(row.images),
        f"{row.psnr:.3f}",
        _shown(row.ssim, ".4f"),
        _shown(row.gain, "+.3f"),
        _shown(row.error, ".3f"),
        _shown(row.better, ".0%"),
        _shown(row.worse, ".0%"),
        _shown(row.worst, "+.2f"),
        row.worst_image or "",
    ]


def _shown(value: float | None, how: str) -> str:
    return "" if value is None else format(value, how)


def _worse_lines(name: str, base: str, changes: Sequence[Change]) -> Iterator[str]:
    """Count what differs, and list what is worse."""
    from lerf_training.evaluation.unnatural import FIGURES

    counts = {
        verdict: sum(change.verdict == verdict for change in changes)
        for verdict in ("better", "equal", "worse")
    }
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    yield f"{_UNNATURAL} input, {name} beside {base}: of {len(changes)} figures {told}"
    figure = None
    for change in changes:
        if change.verdict != "worse":
            continue
        title, digits = FIGURES[change.figure]
        if change.figure != figure:
            figure = change.figure
            yield f"  worse: {title}; worst / mean"
        before, after = (
            f"{cell.worst:.{digits}f} / {cell.mean:.{digits}f}"
            for cell in (change.base, change.other)
        )
        yield f"    {change.kind:<38} {before:>15} -> {after:<15} {change.other.where}"


def _jsonable(entry: Any) -> dict[str, Any]:
    """Fields for JSON, which knows no infinity: equal images have the text 'inf'."""
    return {
        key: str(value) if isinstance(value, float) and math.isinf(value) else value
        for key, value in asdict(entry).items()
        if value is not None
    }
