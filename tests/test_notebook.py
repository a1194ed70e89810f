"""The notebook runs, gives the numbers that stand in it, and tells nothing about who ran it."""

import getpass
import json
import platform
from pathlib import Path

import nbformat
import notebook
import pytest
from sources import ROOT

# Short names such as "/" or "root" are words of their own in any text.
PRIVATE = [
    text
    for text in (str(ROOT), str(Path.home()), platform.node(), getpass.getuser())
    if len(text) > 4 and text != "runner"
]


def code_cells(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


def words(cell):
    """What a cell prints and shows as text; the sweep's own words name threads and seconds."""
    if "gradlab.run(" in cell.source:
        return ""
    printed = [out.text for out in cell.outputs if out.output_type == "stream"]
    return "".join(printed) + "".join(
        str(out.data.get("text/plain")) for out in cell.outputs if "data" in out
    )


def test_it_runs_and_gives_the_numbers_that_stand_in_it():
    committed, fresh = notebook.read(), notebook.execute(notebook.read())
    for old, new in zip(code_cells(committed), code_cells(fresh), strict=True):
        assert words(new) == words(old), new.source
        assert [sorted(o.get("data", ())) for o in new.outputs if o.output_type != "stream"] == [
            sorted(o.get("data", ())) for o in old.outputs if o.output_type != "stream"
        ]
        assert not [out for out in new.outputs if out.get("name") == "stderr"]


def test_its_outputs_are_committed_and_small():
    book = notebook.read()
    nbformat.validate(book)
    cells = code_cells(book)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    pictures = [out for cell in cells for out in cell.outputs if "image/png" in out.get("data", {})]
    assert len(pictures) >= 4
    assert notebook.PATH.stat().st_size < 1_000_000
    assert max(len(cell.source.splitlines()) for cell in cells) <= 20


def test_its_sweep_shows_a_bar_that_has_gone():
    (cell,) = (c for c in code_cells(notebook.read()) if "gradlab.run(" in c.source)
    shown = [out.data for out in cell.outputs if out.output_type == "display_data"]
    assert shown == [{"text/html": "", "text/plain": ""}]
    assert not [out for out in cell.outputs if out.get("name") == "stderr"]


@pytest.mark.parametrize("text", [*PRIVATE, "/tmp/", "Traceback"])
def test_it_names_no_place_no_machine_and_no_user(text):
    assert text not in without_pictures()


def without_pictures():
    book = notebook.read()
    assert book.metadata == notebook.METADATA
    assert not any(cell.metadata for cell in book.cells)
    for cell in code_cells(book):
        for out in cell.outputs:
            out.get("data", {}).pop("image/png", None)
    return json.dumps(book)
