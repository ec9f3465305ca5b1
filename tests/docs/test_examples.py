"""The examples of README.md and of docs/ run as they stand."""

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lerf_cli.main import main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Run in windows, by tests/plugins/napari.
ELSEWHERE = {"napari.md"}
# What an example imports and an installation may lack.
OPTIONAL = ("torch", "cv2", "skimage", "albumentations", "xarray", "zarr", "pyproj")
FENCE = re.compile(r"^```(python|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks_of(page, language):
    """Return the code blocks of a page in one language, with the lines they begin at."""
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, block.start()) + 2, block[2])
        for block in FENCE.finditer(text)
        if block[1] == language
    ]


def pages_with(language):
    return [page for page in PAGES if page.name not in ELSEWHERE and blocks_of(page, language)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with the project's photographs, and a home of its own."""
    shutil.copytree(ROOT / "examples" / "photos", tmp_path / "examples" / "photos")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LERF_BANKS", str(tmp_path / "banks"))
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
    return tmp_path


@pytest.mark.parametrize("page", pages_with("python"), ids=lambda page: page.name)
def test_python_examples_run(page, folder):
    """The blocks of a page run one after the other, as a reader would type them."""
    names = {}
    for line, code in blocks_of(page, "python"):
        for module in OPTIONAL:
            if re.search(rf"\b(import|from) {module}\b|filters import .*{module}", code):
                pytest.importorskip(module, reason=f"{module} is not installed")
        # Line numbers of errors are those of the page.
        exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)


def commands_of(page):
    """Return the command lines of a page without their comments."""
    lines = "".join(code for _, code in blocks_of(page, "sh")).replace("\\\n", " ").splitlines()
    return [line for line in (re.sub(r"\s+#\s.*", "", line).strip() for line in lines) if line]


def runs_here(line):
    """Tell whether a command line finds its input among the examples, and is quick."""
    words = shlex.split(line)
    inputs = ("examples/", "demo/", "analytic", "lerf-p")
    return words[:2] == ["lerf", "models"] or (
        words[:2] in (["lerf", "resize"], ["lerf", "warp"])
        and words[2].startswith(inputs)
        and not {"--workers", "--scheduler"} & set(words)
    )


def run_line(line, folder):
    words = shlex.split(line)
    expanded = [
        name
        for word in words[1:]
        for name in (sorted(map(str, Path().glob(word))) if word.endswith("*") else [word])
    ]
    done = CliRunner().invoke(main, expanded)
    assert done.exit_code == 0, f"{line}\n{done.output}"


def check_options(line):
    """Parse a command line without running it: its command and options must exist."""
    words = shlex.split(line)
    command = main.get_command(click.Context(main), words[1])
    assert command is not None, line
    arguments = words[2:]
    while isinstance(command, click.Group) and arguments:
        command = command.get_command(click.Context(command), arguments.pop(0))
    for option in (word.split("=")[0] for word in arguments if word.startswith("--")):
        assert any(option in parameter.opts for parameter in command.params), f"{option} in {line}"


@pytest.mark.parametrize("page", pages_with("sh"), ids=lambda page: page.name)
def test_command_lines_run(page, folder):
    """Command lines run in order; where the input is the reader's own, their options exist."""
    count = 0
    for line in commands_of(page):
        if "|" in line and "lerf" in line:
            environment = os.environ | {"LERF": f"{shlex.quote(sys.executable)} -m lerf_cli"}
            line = f'lerf() {{ eval "$LERF \\"\\$@\\""; }}; set -o pipefail; {line}'
            subprocess.run(["bash", "-c", line], check=True, env=environment, cwd=folder)
        elif line.startswith("lerf ") and runs_here(line):
            run_line(line, folder)
        elif line.startswith("lerf "):
            check_options(line)
        else:
            continue
        count += 1
    assert count >= 1, f"{page.name} has no command line of lerf"


SCRIPTS = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_run(script, tmp_path, monkeypatch):
    """Each script writes pictures into the folder that it is given."""
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path)])
    runpy.run_path(str(script), run_name="__main__")
    assert any(path.suffix == ".png" for path in tmp_path.iterdir())


def test_scripts_are_listed():
    listed = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert all(f"`{script.name}`" in listed for script in SCRIPTS)
    assert SCRIPTS
