"""No metadata are lost silently on the way from any format to any, and docs/metadata.md says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("zarr")

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

import metadata_table  # noqa: E402
from metadata_files import SOURCES  # noqa: E402

from lerf_core.io.metadata.model import RULES  # noqa: E402


def lost(found):
    return [outcome for outcome in found if outcome.verdict == "lost"]


def test_every_field_is_stated_by_a_file():
    stated = set().union(*(source.states for source in SOURCES.values()))
    assert stated == set(RULES)


def test_the_page_has_the_rules():
    assert metadata_table.rules_table() in metadata_table.PAGE.read_text(encoding="utf-8")


def test_some_formats_into_all():
    found = list(metadata_table.outcomes(["JPEG", "OME-Zarr"]))
    assert lost(found) == []
    # A table that finds nothing would lose nothing.
    kept = {(outcome.target, outcome.field) for outcome in found if outcome.verdict == "kept"}
    assert {("PNG", "icc"), ("TIFF", "iptc"), ("OME-Zarr", "channels")} <= kept
    assert ("OME-Zarr", "axes") in {(item.target, item.field) for item in found
                                    if item.verdict == "scaled"}  # fmt: skip


def test_what_is_lost_is_found(monkeypatch):
    from lerf_core.io.codecs.zarr import writer

    before = writer._attributes

    def without_channels(spec, layout):
        attributes = before(spec, layout)
        attributes["ome"].pop("omero")
        return attributes

    monkeypatch.setattr(writer, "_attributes", without_channels)
    found = metadata_table.outcomes(["OME-Zarr"])
    assert {(item.target, item.field) for item in lost(found)} == {
        ("OME-Zarr", "channels"), ("OME-Zarr", "display")
    }  # fmt: skip


@pytest.mark.slow
def test_nothing_is_lost_silently_and_the_page_is_up_to_date():
    found = list(metadata_table.outcomes())
    assert lost(found) == []
    page = metadata_table.PAGE.read_text(encoding="utf-8")
    assert page == metadata_table.page(found), "run python tools/metadata_table.py"
