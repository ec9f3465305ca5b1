"""The page of ``lerf compare``: one file of HTML that holds pictures, figures and its script."""

from __future__ import annotations

import base64
import html
import json
import math
from importlib import metadata, resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lerf_cli.batch.comparison import Comparison, Shown

__all__ = ["page"]

# Heads of the table's columns of figures, and digits behind the point.
_FIGURES = {"psnr": ("PSNR, dB", 2), "psnr_y": ("PSNR-Y, dB", 2), "ssim_y": ("SSIM-Y", 4)}


def page(comparison: Comparison, title: str, options: str) -> str:
    """Return the page.

    Parameters
    ----------
    comparison : Comparison
    title : str
    options : str
        What was asked for, as on the command line.

    Returns
    -------
    str
        HTML that loads nothing from elsewhere. Texts that come from files are escaped.
    """
    width, height = comparison.part[2:]
    data = {
        "size": [width, height],
        "images": [_as_data(shown) for shown in comparison.images],
    }
    parts = {
        "TITLE": html.escape(title),
        "TABLES": _tables(comparison, options),
        "DATA": _in_script(data),
        "SCRIPT": _file("comparison_page.js"),
    }
    # Piece by piece: what is put in may look like a place to put something.
    first, *pieces = _file("comparison_page.html").split("@@")
    out = [first]
    for name, text in zip(pieces[::2], pieces[1::2], strict=True):
        out += [parts[name], text]
    return "".join(out)


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _as_data(shown: Shown) -> dict[str, str]:
    """Return what the script knows of an image."""
    figure = shown.figures.get("psnr")
    return {
        "name": shown.name,
        "psnr": "" if figure is None else _number(figure, 2),
        "src": "data:image/png;base64," + base64.b64encode(shown.png).decode("ascii"),
    }


def _in_script(data: Any) -> str:
    """Return JSON that cannot end the element it stands in."""
    return json.dumps(data).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _number(value: float | None, digits: int) -> str:
    if value is None:
        return "–"  # noqa: RUF001 - a dash for a figure that is missing
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


def _tables(comparison: Comparison, options: str) -> str:
    """Return the tables below the pictures."""
    source = comparison.source
    rows, cols = comparison.shape
    left, top, width, height = comparison.part
    facts = {
        "Image": f"{source['name']}: {source['format']}, {source['width']}x{source['height']}, "
        f"{source['layout']}, {source['dtype']}",
        "SHA-256": source["sha256"],
    }
    if "reference" in source:
        facts["Reference"] = source["reference"]["name"]
        facts["its SHA-256"] = source["reference"]["sha256"]
    facts["Results"] = f"{cols}x{rows}"
    if (width, height) != (cols, rows):
        facts["Shown"] = f"{width}x{height} from {left},{top} on"
    facts["Options"] = options
    facts["lerf"] = metadata.version("lerf")
    listed = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>\n"
        for name, text in facts.items()
    )
    notes = "".join(f"<li>{html.escape(note)}</li>\n" for note in comparison.notes)
    return (
        f'<h2>Results</h2>\n<div class="wide">{_results(comparison)}</div>\n'
        f"<h2>What was done</h2>\n<dl>\n{listed}</dl>\n"
        + (f"<h2>Notes</h2>\n<ul>\n{notes}</ul>\n" if notes else "")
    )


def _results(comparison: Comparison) -> str:
    """Return the table of results; of figures where there is a reference."""
    is_measured = any(shown.figures for shown in comparison.images)
    figures = _FIGURES if is_measured else {}
    heads = "".join(f'<th class="number">{head}</th>' for head, _ in figures.values())
    lines = [
        f"<tr><th>Result</th><th>By</th>{heads}<th>Checksum</th><th>SHA-256 of the values</th></tr>"
    ]
    for shown in comparison.images:
        cells = "".join(
            f'<td class="number">{_number(shown.figures.get(name), digits)}</td>'
            for name, (_, digits) in figures.items()
        )
        lines.append(
            f"<tr><td>{html.escape(shown.name)}</td><td>{html.escape(shown.kind)}</td>{cells}"
            f"<td><code>{html.escape(shown.checksum)}</code></td>"
            f"<td><code>{shown.digest}</code></td></tr>"
        )
    return "<table>\n" + "\n".join(lines) + "\n</table>"
