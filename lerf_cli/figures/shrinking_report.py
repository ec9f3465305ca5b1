"""What ``lerf evaluate shrink`` prints and writes: protocol, tables, JSON and CSV."""

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
    from lerf_training.evaluation.shrinking.methods import ShrinkMethod
    from lerf_training.evaluation.shrinking.running import DrawnScore, PhotoScore

__all__ = ["ShrinkReport"]

#: A cell of a table, and a row of the CSV: measure, what it is of, angle, level, value.
Row = list[str]
_COLUMNS = ["set", "case", "method", "image", "measure", "of", "angle", "level", "value"]


@dataclass(frozen=True)
class ShrinkReport:
    """What was done, and the figures that came of it.

    Attributes
    ----------
    protocol : dict of str
        What the evaluation fixes.
    methods : sequence of ShrinkMethod
    photos : sequence of PhotoScore
        Of every method on every photograph.
    drawn : sequence of DrawnScore
        Of every method by every factor.
    """

    protocol: dict[str, str]
    methods: Sequence[ShrinkMethod]
    photos: Sequence[PhotoScore]
    drawn: Sequence[DrawnScore]

    def print(self) -> None:
        """Print the protocol and the tables."""
        lines = [
            *self.protocol.items(),
            *(("method", f"{method.name}: {method.description}") for method in self.methods),
        ]
        width = max(len(key) for key, _ in lines) + 1
        for key, value in lines:
            click.echo(f"{key + ':':<{width}} {value}")
        for table in (_round_trip_table(self._means()), _result_table(self._means())):
            click.echo()
            for line in table:
                click.echo(line)
        click.echo()
        for line in _drawn_table(self.drawn):
            click.echo(line)

    def write_json(self, path: Path) -> None:
        """Write everything."""
        record = {
            "protocol": self.protocol,
            "methods": {method.name: method.description for method in self.methods},
            "means": [_jsonable(asdict(score)) for score in self._means()],
            "images": [_jsonable(asdict(score)) for score in self.photos],
            "drawn": [_jsonable(asdict(score)) for score in self.drawn],
        }
        text = json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")

    def write_csv(self, path: Path) -> None:
        """Write one figure per row: of every image, the means, and of drawn scenes."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            for photo in (*self.photos, *self._means()):
                names = [photo.dataset, photo.case, photo.method, photo.image]
                writer.writerows([*names, *row] for row in _photo_rows(photo))
            for drawn in self.drawn:
                names = ["", drawn.case, drawn.method, ""]
                writer.writerows([*names, *row] for row in _drawn_rows(drawn))

    def _means(self) -> list[PhotoScore]:
        from lerf_training.evaluation.shrinking.running import photo_means

        return photo_means(self.photos)


# -- rows of the CSV ------------------------------------------------------------------------


def _photo_rows(score: PhotoScore) -> Iterator[Row]:
    for enlarger, trip in score.round_trips.items():
        for measure, value in asdict(trip).items():
            if value is not None:
                yield _row(measure, value, enlarger)
    for measure, value in asdict(score.means).items():
        yield _row("mean_shift", value, measure)
    yield _row("flicker", score.flicker.flicker)
    yield _row("activity", score.flicker.activity)
    yield _row("jpeg_bytes", score.jpeg_bytes)
    yield _row("jpeg_ratio", score.jpeg_ratio)


def _drawn_rows(score: DrawnScore) -> Iterator[Row]:
    for case in score.overshoots:
        for side, value in (("above", case.above), ("below", case.below)):
            yield _row(f"overshoot_{side}", value, case.scene, case.angle, case.contrast)
    yield _row("changed_flats", score.changed_flats)
    for measure, value in asdict(score.zone_plate).items():
        yield _row("zone_plate", value, measure)
    for grating in score.gratings:
        frequency = f"{grating.frequency:g}"
        yield _row("grating", grating.energy, frequency, grating.angle, grating.amplitude)
    yield _row("flicker", score.flicker.flicker)
    yield _row("activity", score.flicker.activity)
    yield _row("edge_rise", score.edge_rise)
    yield _row("text_contrast", score.text_contrast)


def _row(
    measure: str, value: float, of: str = "", angle: float | None = None, level: float | None = None
) -> Row:
    return [measure, of, *("" if n is None else f"{n:g}" for n in (angle, level)), f"{value:.7g}"]


# -- tables ---------------------------------------------------------------------------------


def _round_trip_table(means: Sequence[PhotoScore]) -> list[str]:
    with_flip = any(trip.flip is not None for s in means for trip in s.round_trips.values())
    measures = ["PSNR-Y", "SSIM-Y", *(["FLIP"] if with_flip else [])]
    names = list(means[0].round_trips)
    head = ["set", "case", "method", "images"]
    groups = [""] * len(head) + [
        measure if not index else "" for measure in measures for index in range(len(names))
    ]
    head += [name.removeprefix("pillow-") for _ in measures for name in names]
    rows = [groups, head]
    for score in means:
        trips = score.round_trips.values()
        rows.append(
            [
                *_names(score),
                *(f"{trip.psnr:.2f}" for trip in trips),
                *(f"{trip.ssim:.4f}" for trip in trips),
                *(f"{trip.flip:.4f}" for trip in trips if trip.flip is not None),
            ]
        )
    return _aligned(rows, 3)


def _result_table(means: Sequence[PhotoScore]) -> list[str]:
    top = ["", "", "", "", "means", "", "", "", "", ""]
    head = ["set", "case", "method", "images",
            "largest", "rms", "smooth", "whole", "flicker", "JPEG"]  # fmt: skip
    rows = [
        [
            *_names(score),
            f"{score.means.largest:.2f}",
            f"{score.means.rms:.3f}",
            f"{score.means.smooth:.3f}",
            f"{score.means.whole:+.3f}",
            f"{score.flicker.flicker:.4f}",
            f"{score.jpeg_ratio:.3f}",
        ]
        for score in means
    ]
    return _aligned([top, head, *rows], 3)


def _names(score: PhotoScore) -> list[str]:
    images = score.image.removeprefix("mean of ")
    return [score.dataset, score.case, score.method, images]


def _drawn_table(scores: Sequence[DrawnScore]) -> list[str]:
    from lerf_training.evaluation.shrinking.aliasing import decibels, worst_grating
    from lerf_training.evaluation.shrinking.overshoot import worst

    top = ["", "", "overshoot", "", "", "", "aliasing", "", "", "kept", "", "", ""]
    head = ["case", "method", "edge", "line", "text", "flats", "plate", "grating", "at",
            "plate", "flicker", "rise", "text"]  # fmt: skip
    rows = [top, head]
    for score in scores:
        grating = worst_grating(score.gratings)
        energy = f"{decibels(grating.energy):.1f} dB" if grating else "-"
        place = f"{grating.frequency:g}, {grating.angle:g} deg" if grating else "-"
        beyond = score.zone_plate.beyond
        rows.append(
            [
                score.case,
                score.method,
                *(f"{worst(score.overshoots, scene):.3f}" for scene in ("edge", "line", "text")),
                str(score.changed_flats),
                "-" if math.isnan(beyond) else f"{decibels(beyond):.1f} dB",
                energy,
                place,
                f"{decibels(score.zone_plate.within):.2f} dB",
                f"{score.flicker.flicker:.4f}",
                f"{score.edge_rise:.2f}",
                f"{score.text_contrast:.3f}",
            ]
        )
    return _aligned(rows, 2)


def _aligned(rows: Sequence[Row], names: int) -> list[str]:
    """Return lines of a table with two lines of head; names to the left, figures to the right."""
    widths = [
        # A group's title may reach over the columns after it.
        max(len(row[column]) for row in rows[1:])
        for column in range(len(rows[1]))
    ]
    starts = [sum(widths[:column]) + 2 * column for column in range(len(widths))]
    title = ""
    for start, text in zip(starts, rows[0], strict=True):
        title = title.ljust(start) + text if text else title
    lines = [
        "  ".join(
            cell.ljust(width) if column < names else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows[1:]
    ]
    rule = "-" * max(map(len, lines))
    return [title, lines[0], rule, *lines[1:]]


def _jsonable(value: Any) -> Any:
    """Figures for JSON, which knows no infinity and no NaN: 'inf', and null."""
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
