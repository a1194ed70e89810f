"""The kernel tests once more with the kernels run as plain Python."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
KERNEL_TESTS = (
    "test_cells.py",
    "test_gradients.py",
    "test_feedback.py",
    "test_golden.py",
    "test_omega.py",
    "test_stretch.py",
    "test_updates.py",
)


def test_kernels_pass_their_tests_without_the_compiler():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "GRADLAB_HYPOTHESIS": "interpreted"}
    command = [sys.executable, "-m", "pytest", "-x", "--tb=short", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *KERNEL_TESTS], cwd=TESTS, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
