"""What this machine has: processor, cores, memory."""

import os
import platform
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def cores():
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor():
    """The processor's name, None if the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or None


def memory():
    """Bytes of memory in all, None if the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def available():
    """Bytes that can be had now, within a container's limit too; None if not known."""
    bounds = [bound for bound in (_free(), _container()) if bound is not None]
    return min(bounds) if bounds else memory()


def _free():
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(x.split()[1]) * 1024 for x in lines if x.startswith("MemAvailable")), None)


def _container():
    try:
        limit, used = ((CGROUP / f"memory.{x}").read_text().strip() for x in ("max", "current"))
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        # what caches files is given back when it is needed
        return None if limit == "max" else int(limit) - int(used) + int(stat["file"])
    except (OSError, ValueError, KeyError):
        return None
