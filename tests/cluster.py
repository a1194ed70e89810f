"""A Dask scheduler and its workers as processes of this machine, for tests."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

from faults.children import wait_for

ADDRESS = re.compile(r"Scheduler at:\s+(tcp://\S+)")


class Processes:
    """A scheduler on loopback and workers of one thread each; all are killed at the end."""

    def __init__(self, folder, port=0):
        self.folder, self.workers = folder, []
        self.address = self.start(port)

    def start(self, port):
        """Start the scheduler, and give its address."""
        self.scheduler, log = self._process("scheduler", "--host", "127.0.0.1", "--port", str(port))
        assert wait_for(lambda: ADDRESS.search(log.read_text())), log.read_text()
        return ADDRESS.search(log.read_text()).group(1)

    def add(self, **environment):
        """Start a worker; it is there once the scheduler says so."""
        more = "--nthreads", "1", "--no-nanny", "--memory-limit", "0", "--death-timeout", "60"
        self.workers.append(self._process("worker", self.address, *more, **environment)[0])

    def kill(self, process):
        """End a process as a power cut does."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def close(self):
        """Kill all that still run."""
        for process in (*self.workers, self.scheduler):
            self.kill(process)

    def _process(self, what, *words, **environment):
        log = self.folder / f"{what}-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *words, "--no-dashboard"]
        with open(log, "wb") as file:
            env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
            return subprocess.Popen(
                command, cwd=self.folder, env=env, stdout=file, stderr=file
            ), log


@contextmanager
def running(folder, workers):
    """For a `with` statement: Processes with so many workers."""
    processes = Processes(folder)
    try:
        for _ in range(workers):
            processes.add()
        yield processes
    finally:
        processes.close()
