"""The small corpora that come with gradlab, so that everything here runs without a download."""

from pathlib import Path

from gradlab.errors import one_of

FOLDER = Path(__file__).with_name("data")


def names() -> tuple[str, ...]:
    """The names of the files, sorted; README.md beside them says where they come from."""
    return tuple(sorted(file.name for file in FOLDER.iterdir() if file.suffix != ".md"))


def path(name: str) -> Path:
    """The file of that name. Raises UserError, one line, for an unknown one."""
    return FOLDER / one_of("sample", name, names())
