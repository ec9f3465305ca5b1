"""Report the structure of the code: lines, levels of imports, circles, private names.

    python tools/structure.py            # the checkout that this file lies in
    python tools/structure.py FOLDER     # another checkout
    python tools/structure.py --path     # also the modules that `lerf resize` loads

A module stands one level above the highest module of the project that it imports. Imports
inside functions and for type checking count as well: whoever reads a module needs them.
A package's ``__init__``, which hands on names, is no level of its own.
"""

from __future__ import annotations

import argparse
import ast
import io
import os
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

#: Folders that hold the installed packages, each relative to the checkout.
PACKAGE_FOLDERS = (
    "lerf_core",
    "lerf_cli",
    "lerf_plugins",
    "training/lerf_training",
    "training",
)
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}
_COUNT_MODULES = """
import sys
from lerf_cli.main import main
try:
    main(sys.argv[1:], prog_name="lerf")
except SystemExit as end:
    if end.code:
        raise
names = ("lerf_core", "lerf_cli", "lerf_plugins", "lerf_training", "training")
print("\\n".join(sorted(name for name in sys.modules if name.split(".")[0] in names)))
"""


@dataclass
class Module:
    """A module of the project.

    Attributes
    ----------
    name : str
        Dotted.
    path : Path
    lines : int
        Of the file.
    code : int
        Those that hold code: neither blank, nor comment, nor docstring.
    imports : set of str
        The project's modules that it imports anywhere.
    runs : set of str
        Those of them that it imports for more than annotations.
    private : list of str
        Names with a leading underscore that it imports from another package.
    """

    name: str
    path: Path
    lines: int
    code: int
    imports: set[str] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)
    private: list[str] = field(default_factory=list)


def read_modules(root: Path) -> dict[str, Module]:
    """Return the modules of a checkout's packages, by dotted name."""
    modules: dict[str, Module] = {}
    for folder in PACKAGE_FOLDERS:
        package = root / folder
        if not (package / "__init__.py").is_file():
            continue
        for path in sorted(package.rglob("*.py")):
            parts = [package.name, *path.relative_to(package).with_suffix("").parts]
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text(encoding="utf-8")
            modules[name] = Module(name, path, len(text.splitlines()), count_code(text))
    for module in modules.values():
        for target, name, is_run in _imports(module.path):
            imported = f"{target}.{name}" if f"{target}.{name}" in modules else target
            if imported not in modules or imported == module.name:
                continue
            module.imports.add(imported)
            if is_run:
                module.runs.add(imported)
            if _is_private(module.name, target, name):
                module.private.append(f"{target}.{name}")
    return modules


def count_code(text: str) -> int:
    """Return how many lines of a module hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                lines.difference_update(range(value.lineno, (value.end_lineno or value.lineno) + 1))
    return len(lines)


def _imports(path: Path) -> Iterator[tuple[str, str, bool]]:
    """Yield the module and the name of each import of a file, and whether it is ever run."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    for_types = {
        id(line)
        for node in nodes
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for line in node.body
    }
    for node in nodes:
        is_run = id(node) not in for_types
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                yield node.module, alias.name, is_run
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, "", is_run


def _is_private(importer: str, target: str, name: str) -> bool:
    """Tell whether an import takes a private name from outside the importer's own package."""
    if not any(part.startswith("_") for part in (*target.split("."), name)):
        return False
    return importer.rpartition(".")[0] != target.rpartition(".")[0]


def find_circles(modules: dict[str, Module]) -> list[list[str]]:
    """Return the groups of modules that import each other (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for imported in modules[name].imports:
            if imported not in index:
                visit(imported)
                low[name] = min(low[name], low[imported])
            elif imported in stack:
                low[name] = min(low[name], index[imported])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                circles.append(sorted(group))

    for name in modules:
        if name not in index:
            visit(name)
    return circles


def longest_chain(modules: dict[str, Module], package: str) -> list[str]:
    """Return the longest chain of imports within a package, from the top down.

    Imports for annotations alone load nothing, and are no level. A package's ``__init__`` is passed
    through. A circle counts as the part of it that the chain
    walks before it would return.
    """
    inside = {name for name in modules if name.split(".")[0] == package}
    chains: dict[str, list[str]] = {}

    def chain(name: str, above: tuple[str, ...]) -> list[str]:
        if name not in chains:
            below = [
                chain(imported, (*above, name))
                for imported in sorted(modules[name].runs & inside)
                if imported not in (*above, name)
            ]
            own = [] if modules[name].path.name == "__init__.py" else [name]
            chains[name] = own + max(below, key=len, default=[])
        return chains[name]

    return max((chain(name, ()) for name in sorted(inside)), key=len, default=[])


def modules_of_resize(root: Path) -> list[str]:
    """Return the project's modules that are loaded once `lerf resize` has resized an image."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.png"
        source = (
            f"import numpy as n, imageio.v3 as i; i.imwrite({str(image)!r}, n.eye(8, dtype='u1'))"
        )
        environment = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{root / 'training'}"}
        subprocess.run([sys.executable, "-c", source], check=True)
        arguments = ["resize", str(image), "-o", str(image.with_name("out.png")), "--scale", "2"]
        done = subprocess.run(
            [sys.executable, "-c", _COUNT_MODULES, *arguments],
            check=True, capture_output=True, text=True, env=environment, cwd=folder,
        )  # fmt: skip
        return done.stdout.split()


def _counts(modules: list[Module]) -> str:
    lines, code = (
        sum(counts) for counts in zip(*((m.lines, m.code) for m in modules), strict=True)
    )
    return f"{len(modules):7} {lines:6} {code:6}"


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).resolve().parents[1]
    parser.add_argument("checkout", nargs="?", type=Path, default=default)
    parser.add_argument("--path", action="store_true", help="also count what `lerf resize` loads")
    arguments = parser.parse_args()
    root = arguments.checkout.resolve()
    modules = read_modules(root)
    packages = sorted({name.split(".")[0] for name in modules})
    print(f"{'package':16} modules  lines   code  levels")
    for package in packages:
        own = [module for name, module in modules.items() if name.split(".")[0] == package]
        print(f"{package:16} {_counts(own)} {len(longest_chain(modules, package)):7}")
    print(f"{'all':16} {_counts(list(modules.values()))}")
    print("longest chain of lerf_core:", " > ".join(longest_chain(modules, "lerf_core")))
    circles = find_circles(modules)
    print(f"circles: {len(circles)}")
    for circle in circles:
        print("  " + ", ".join(circle))
    private = [f"{m.name} imports {name}" for m in modules.values() for name in m.private]
    print(f"private names imported across packages: {len(private)}")
    for line in private:
        print("  " + line)
    if arguments.path:
        loaded = modules_of_resize(root)
        print(f"modules that `lerf resize` loads: {len(loaded)}")


if __name__ == "__main__":
    main()
