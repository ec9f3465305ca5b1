"""Command lines that the napari plugin offers, run as they stand."""

import shlex

import numpy as np
import tifffile

from support.cli import run_lerf


def run_command(text, folder, source=None):
    """Run a command line that names one output; return what it wrote.

    Parameters
    ----------
    text : str
        As it goes to the clipboard.
    folder : Path
        Where its output, a pattern of names, goes.
    source : Path, optional
        What the placeholder for a file stands for.
    """
    program, *arguments = shlex.split(text)
    assert program == "lerf"
    if source is not None:
        arguments[arguments.index("IMAGE.tif")] = source
    output = arguments.index("-o") + 1
    assert arguments[output].startswith(("{stem}_", "IMAGE_"))
    made = folder / "made.tif"
    arguments[output] = made
    run_lerf(*arguments, "--overwrite")
    return np.asarray(tifffile.imread(made))
