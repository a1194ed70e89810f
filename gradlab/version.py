"""Which gradlab this is."""

import tomllib
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def version() -> str:
    """What the checkout's pyproject.toml says, else what was installed; "unknown" without both."""
    try:
        project = tomllib.loads(PROJECT.read_text("utf-8")).get("project", {})
    except (OSError, ValueError):
        project = {}
    if project.get("name") == "gradlab":  # installed, the file beside us would be another's
        return str(project["version"])
    try:
        return metadata.version("gradlab")
    except metadata.PackageNotFoundError:
        return "unknown"
