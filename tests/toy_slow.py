"""A long work of pure Python for the tests, which is kept as it goes."""

import os
import time

from gradlab import files, underway


def count(block):
    """Count to `steps`, from where it was kept: where that was, and the end."""
    steps, file = block.constants["steps"], underway.file({"one": 1})
    first = int(file.read_text().split()[0]) if file and file.exists() else 0
    kept = time.monotonic()
    for step in range(first, steps):
        time.sleep(block.constants["pause"])
        if file and time.monotonic() - kept > underway.keep_every():
            files.write(file, f"{step + 1} {os.getpid()}".encode())
            kept = time.monotonic()
    return {"first": [first], "last": [steps]}
