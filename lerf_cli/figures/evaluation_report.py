"""What ``lerf evaluate`` prints and writes: protocol, table of means, JSON and CSV."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lerf_training.evaluation.methods import Method
    from lerf_training.evaluation.scores import Score

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """What was done, and the figures that came of it.

    Attributes
    ----------
    protocol : dict of str
        What the evaluation fixes.
    degradations : dict of str
        Where the inputs of each set come from; empty for warps.
    methods : sequence of Method
    scores : sequence of Score
        Of every method on every image.
    """

    protocol: dict[str, str]
    degradations: dict[str, str]
    methods: Sequence[Method]
    scores: Sequence[Score]

    def print(self) -> None:
        """Print the protocol and the means."""
        lines = [
            *self.protocol.items(),
            *(("degradation", f"{name}: {text}") for name, text in self.degradations.items()),
            *(("method", f"{method.name}: {method.description}") for method in self.methods),
        ]
        width = max(len(key) for key, _ in lines) + 1
        for key, value in lines:
            click.echo(f"{key + ':':<{width}} {value}")
        click.echo()
        for line in _table(self._means()):
            click.echo(line)

    def write_json(self, path: Path) -> None:
        """Write everything."""
        record = {
            "protocol": self.protocol,
            "degradations": self.degradations,
            "methods": {method.name: method.description for method in self.methods},
            "means": [_jsonable(score) for score in self._means()],
            "images": [_jsonable(score) for score in self.scores],
        }
        text = json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")

    def write_csv(self, path: Path) -> None:
        """Write the figure of every image, and the means."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            measures = _measures(self.scores)
            head = ["set", "case", "method", "image", "psnr", "ssim", "degradation"]
            writer.writerow([*head, *measures])
            for score in (*self.scores, *self._means()):
                names = [score.dataset, score.case, score.method, score.image]
                ssim = "" if score.ssim is None else f"{score.ssim:.6f}"
                figures = [f"{score.psnr:.4f}", ssim, score.degradation or ""]
                distances = [f"{score.perceptual[name]:.6f}" for name in measures]
                writer.writerow([*names, *figures, *distances])

    def _means(self) -> list[Score]:
        from lerf_training.evaluation.scores import means

        return means(self.scores)


def _table(averages: Sequence[Score]) -> list[str]:
    """Lines of the table of means."""
    with_ssim = any(score.ssim is not None for score in averages)
    figure = "PSNR-Y" if with_ssim else "mPSNR"
    measures = _measures(averages)
    head = ["set", "case", "method", "images", figure, *(["SSIM-Y"] if with_ssim else [])]
    head += measures
    rows = [head]
    for score in averages:
        images = score.image.removeprefix("mean of ")
        row = [score.dataset, score.case, score.method, images, f"{score.psnr:.2f}"]
        row += [f"{score.ssim:.4f}"] if score.ssim is not None else []
        rows.append(row + [f"{score.perceptual[name]:.4f}" for name in measures])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "  ".join(
            # Names to the left, figures to the right.
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def _measures(scores: Sequence[Score]) -> list[str]:
    """Names of the perceptual measures, which all scores have alike."""
    return list(scores[0].perceptual) if scores else []


def _jsonable(score: Score) -> dict[str, Any]:
    """Score for JSON, which knows no infinity: equal images have the text 'inf'."""
    return {
        key: str(value) if isinstance(value, float) and math.isinf(value) else value
        for key, value in asdict(score).items()
        if value is not None and value != {}
    }
