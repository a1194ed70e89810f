"""Where numbers come from: versions, commit and machine, without host names and paths."""

import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

from gradlab.suite import library, machine
from gradlab.suite.grid import shown
from gradlab.suite.library import PACKAGE
from gradlab.suite.sources import key
from gradlab.version import version as gradlab_version

LIBRARIES = ("numba", "numpy", "scipy", "pandas")


def origin():
    """What computed a block: {"versions", "commit", "machine"}."""
    return {"versions": _versions(), "commit": _commit(), "machine": _machine()}


def asked(experiment):
    """What NAME.json says of the grid that was run."""
    constants = shown(experiment.constants)
    seeds = sorted({seed for part in experiment.grid for seed in part.get("seed", ())})
    return {
        "experiment": library.label(experiment),
        "question": experiment.question,
        "grid": experiment.grid,
        "split": list(experiment.split),
        "constants": constants,
        "seed": seeds or constants.get("seed"),
    }


def describe(experiment, frame, origins):
    """The content of NAME.json. Blocks of one origin are counted together."""
    return {
        **asked(experiment),
        "rows": len(frame),
        "status": {str(k): int(n) for k, n in frame["status"].value_counts().items()},
        "sources": sorted({key(who["sources"]) for who in origins if "sources" in who}),
        "computed_by": _together(origins),
    }


def _together(origins):
    groups = {}
    for who in origins:
        seconds, _ = who.pop("seconds"), who.pop("sources", None)
        group = groups.setdefault(json.dumps(who), {**who, "blocks": 0, "seconds": 0.0})
        group["blocks"] += 1
        group["seconds"] = round(group["seconds"] + seconds, 3)
    return list(groups.values())


def _versions():
    found = {"python": platform.python_version(), "gradlab": gradlab_version()}
    for package in LIBRARIES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def _commit():
    """The checkout's commit, with a + if its sources were edited; None outside a checkout."""
    top = PACKAGE.parent
    if not (top / ".git").exists():  # an environment inside someone else's repository
        return None
    try:
        edited = _git(top, "status", "--porcelain", "-unormal", "gradlab", "experiments")
        return _git(top, "rev-parse", "HEAD") + ("+" if edited else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder, *words):
    """What git says of this folder, whatever repository the caller's GIT_DIR names.

    A checkout that belongs to another user is safe to ask: its Python is already running.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    call = ["git", "--no-optional-locks", "-c", "safe.directory=*", "-C", str(folder), *words]
    done = subprocess.run(call, capture_output=True, text=True, check=True, timeout=30, env=env)
    return done.stdout.strip()


def _machine():
    memory = machine.memory()
    return {
        "cpu": machine.processor(),
        "cores": machine.cores(),
        "memory_gib": memory and round(memory / 2**30, 1),
        "platform": f"{platform.system()} {platform.machine()}",
    }
