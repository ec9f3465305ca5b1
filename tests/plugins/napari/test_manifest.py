"""The manifest is valid, and what it names is there."""

import importlib
import tomllib
from pathlib import Path

import pytest

import lerf_plugins

ROOT = Path(__file__).resolve().parents[3]


def manifest():
    from npe2 import PluginManifest

    return PluginManifest.from_file(Path(lerf_plugins.__file__).parent / "napari.yaml")


@pytest.mark.parametrize("imports", [False, True])
def test_it_is_valid(imports, request, capsys):
    from npe2.cli import validate

    if imports:
        request.getfixturevalue("display")
    assert manifest().name == "lerf"
    # Fails by an exit status; warnings are errors here.
    validate("lerf", imports=imports)
    assert "valid!" in capsys.readouterr().out


def test_what_lists_of_plugins_show():
    from npe2.manifest.schema import Category

    found = manifest()
    assert found.is_visible
    assert set(found.categories) >= {"Image Processing", "Transformations", "Registration"}
    assert set(map(str, found.categories)) <= {str(category) for category in Category}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "Framework :: napari" in project["classifiers"]
    assert "napari" in project["keywords"]
    assert len(project["description"]) < 120
    # napari-hub shows the README, whose first heading is its title and whose second ones are links.
    readme = (ROOT / project["readme"]).read_text(encoding="utf-8")
    assert readme.startswith("# ")
    assert "\n## napari\n" in readme


def test_each_name_is_said_once():
    """What menus and the command palette show can be told apart, and begins with a verb."""
    found = manifest().contributions
    titles = [command.title for command in found.commands]
    assert len(titles) == len(set(titles))
    verbs = {"Resize", "Warp", "Bake", "Inspect", "Save", "Read", "Open"}
    for title in titles:
        assert title.split()[0] in verbs
        assert title.endswith("(lerf)")
    for shown in (found.widgets, found.sample_data):
        names = [entry.display_name for entry in shown]
        assert len(names) == len(set(names))


def test_each_widget_is_in_a_menu():
    found = manifest().contributions
    in_menus = {item.command for items in found.menus.values() for item in items}
    assert in_menus == {widget.command for widget in found.widgets}


def test_commands_exist():
    for command in manifest().contributions.commands:
        module, name = command.python_name.split(":")
        if ".widgets." not in module:
            assert callable(getattr(importlib.import_module(module), name))
        else:
            source = Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8")
            assert f"class {name}(" in source


def test_menus_are_napari_s():
    from napari._app_model.constants import MenuId

    known = {str(menu.value) for menu in MenuId}
    assert set(manifest().contributions.menus) <= known


def test_no_qt_binding_is_required():
    from importlib.metadata import requires

    needed = [line for line in requires("lerf") if "extra ==" not in line]
    assert not any(name in line.lower() for line in needed for name in ("qt", "pyside", "napari"))
