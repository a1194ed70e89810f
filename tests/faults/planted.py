"""Small mistakes, planted one at a time into a copy of the tree: the suite must see each."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from faults.children import TESTS
from faults.mutations import MUTATIONS
from faults.tally import Tally

WHAT = "planted bugs"  # at first 58 were seen; tests of relu and of the threshold see the others
HOW = ("60 small mistakes in kernels, clipping, losses, store, grid, theory; the suite must fail "
       "with each, and pass without")  # fmt: skip
CHEAP = ("grid count", "store seal", "rk4")
SEEN = "GRADLAB_PLANTED"  # a file that keeps what is through: a stopped full run goes on from it
COPIED = ("gradlab", "tests", "experiments", "pyproject.toml", "README.md", "uv.lock",
          "CHANGELOG.md")  # fmt: skip


def run(full, place):
    """Short: three cheap ones. Full: all; those whose tests pass are named."""
    tally = Tally()
    chosen = [one for one in MUTATIONS if full or one.name in CHEAP]
    tree = place / "gradlab-copy"
    for name in COPIED:
        copy = shutil.copytree if (TESTS.parent / name).is_dir() else shutil.copy
        tree.mkdir(exist_ok=True)
        copy(TESTS.parent / name, tree / name)
    reference = TESTS.parent / "results" / "reference"
    (tree / "results").mkdir()
    (tree / "results" / "reference").symlink_to(reference)
    kept = Path(os.environ[SEEN]) if full and os.environ.get(SEEN) else None
    seen = json.loads(kept.read_text()) if kept and kept.exists() else {}
    before = sum(one.name in seen for one in chosen)
    for one in chosen:
        without = f"without a mistake: {one.tests}, {is_kernel(one)}"
        if without not in seen:  # else what fails anyway would count as seen
            seen[without] = run_tests(tree, one.tests, is_kernel(one)) == 0
            tally.trial(None if seen[without] else ("wrong", f"{without}: they fail"))
        if one.name not in seen:
            seen[one.name] = caught(tree, one)
        if kept:
            kept.write_text(json.dumps(seen, indent=1))
        breach = None if seen[one.name] else ("wrong", f"not seen: {one.name} in {one.file}")
        tally.trial(breach)
    if before:
        tally.figures["through in an earlier start"] = before
    tally.figures["caught"] = f"{sum(seen[one.name] for one in chosen)} of {len(chosen)}"
    return tally


def caught(tree, one):
    """Whether a mistake makes the tests that should see it fail."""
    with planted(tree, one):
        return run_tests(tree, one.tests, is_kernel(one)) == 1


def is_kernel(one):
    """Whether the tests run without the compiler, as tests/test_interpreted.py has them."""
    return one.file.startswith(("gradlab/cells", "gradlab/kernels"))


@contextlib.contextmanager
def planted(tree, one):
    """The mistake in the tree, for as long as it lasts."""
    file = tree / one.file
    text = file.read_text()
    assert text.count(one.old) >= 1 and one.old != one.new, f"{one.name}: no {one.old!r}"
    file.write_text(text.replace(one.old, one.new, 1))
    try:
        yield
    finally:
        file.write_text(text)


def run_tests(tree, tests, interpreted):
    """pytest's exit code: 1 if a test fails, 0 if all pass."""
    code = "import sys; sys.path.insert(0, {!r}); import pytest; sys.exit(pytest.main({!r}))"
    words = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests.split()]
    given = {**os.environ, "PYTHONPATH": str(tree), "CI": "true", "PYTHONDONTWRITEBYTECODE": "1",
             "NUMBA_CACHE_DIR": str(tree / "cache")}  # fmt: skip
    if interpreted:
        given |= {"NUMBA_DISABLE_JIT": "1", "GRADLAB_HYPOTHESIS": "interpreted"}
    command = [sys.executable, "-c", code.format(str(tree), words)]
    done = subprocess.run(command, cwd=tree / "tests", env=given, capture_output=True, text=True)
    if done.returncode not in (0, 1):  # a file that cannot be collected is seen as well
        return 1 if done.returncode == 2 and "Error" in done.stdout else done.returncode
    return done.returncode
