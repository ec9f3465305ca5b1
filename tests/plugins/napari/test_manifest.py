"""The manifest is valid, and what it names is there."""

import importlib
from pathlib import Path

import lerf_plugins


def manifest():
    from npe2 import PluginManifest

    return PluginManifest.from_file(Path(lerf_plugins.__file__).parent / "napari.yaml")


def test_it_is_valid():
    from npe2.cli import validate

    found = manifest()
    assert found.name == "lerf"
    validate("lerf", imports=False)


def test_what_it_names_can_be_loaded(display):
    from npe2.cli import validate

    validate("lerf", imports=True)


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
