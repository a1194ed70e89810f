"""Executes experiments/lectures.ipynb; run as a script, it writes the outputs into it anew."""

import os
import tempfile
from unittest import mock

import nbformat
from nbclient import NotebookClient
from sources import ROOT

PATH = ROOT / "experiments" / "lectures.ipynb"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

ONCE = "gradlab: compiling"  # said to stderr on a machine that has not done so yet


def read():
    """The notebook as it is committed."""
    return nbformat.read(PATH, as_version=4)


def execute(notebook):
    """Run all cells in a fresh kernel, in an empty folder, without the settings of the user."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"IPYTHONDIR": folder, "JUPYTER_CONFIG_DIR": folder, "GRADLAB_PATH": ""}
        client = NotebookClient(
            notebook,
            timeout=300,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        )
        with mock.patch.dict(os.environ, settings):
            os.environ.pop("MPLBACKEND", None)
            client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if not out.get("text", "").startswith(ONCE)]
    notebook.metadata = METADATA  # the kernel's version is of no interest to a reader
    return notebook


if __name__ == "__main__":
    nbformat.write(execute(read()), PATH)
