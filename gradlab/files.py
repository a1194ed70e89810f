"""Files that appear whole or not at all, and what a killed process left of them."""

import errno
import os
import re
import secrets
import time
from contextlib import contextmanager
from pathlib import Path

from gradlab.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

TEMPORARY = re.compile(r"\.\d+(-[0-9a-f]{12})?\.")  # .PID-RANDOM.NAME; .PID.NAME until 0.1
YOUNG, OLD = 60.0, 86400.0  # seconds
# What folders of network and container file systems answer to fsync, and write-only ones to open.
NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF,
           errno.EACCES, errno.EPERM}  # fmt: skip


@contextmanager
def replacing(path):
    """A temporary path whose file takes the place of `path` at the end, or never.

    A symbolic link stays one: the file that it points to is replaced. The temporary file has a
    name of its own and is locked while it lives, so that `remove_stale` can tell it from a dead
    one.
    """
    path = Path(os.path.realpath(path))
    check_place(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{secrets.token_hex(6)}.{path.name}")
    try:
        with open(temporary, "xb") as file:
            lock = locked(file) and os.dup(file.fileno())
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                _sync(file.fileno())
            os.replace(temporary, path)
        finally:
            if lock:
                os.close(lock)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def remove_stale(folder, name=""):
    """Remove temporary files (of `name` alone, if given) whose process is dead.

    One that is younger than a minute may not be locked yet and stays; where there are no locks,
    one of the last day stays.
    """
    for path in Path(folder).glob(".*"):
        found = TEMPORARY.match(path.name)
        if found and path.name.endswith(name) and _is_stale(path):
            path.unlink(missing_ok=True)


def expanded(path):
    """A path whose ~ is the home folder, as a shell writes it. Raises UserError without one."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{path}: there is no such home folder; write the path in full") from None


def as_folder(path, name="results"):
    """The path of a folder that is there or can be made. Raises UserError for what is none."""
    if not isinstance(path, str | os.PathLike) or not str(path):
        raise UserError(f"{name}={path!r}: not the path of a folder")
    path = expanded(path)
    there = next((part for part in (path, *path.parents) if part.exists()), path)
    if there.exists() and not there.is_dir():
        raise UserError(f"{name}={path}: {there} is a file, not a folder")
    return path


def check_place(path):
    """Raise UserError if a folder stands where a file is to be."""
    if Path(path).is_dir():
        raise UserError(f"{path} is a folder where a file is to be: rename or remove it")


def _is_stale(path):
    try:
        age = time.time() - path.stat().st_mtime
        if age < YOUNG:
            return False
        with open(path, "rb") as file:
            free = locked(file)
    except OSError:  # gone meanwhile, or somebody else's
        return False
    return age > OLD if free is None else free


def locked(file):
    """True if the file's lock could be had, False if another has it, None if there are none."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    except OSError:
        return None


def _sync(descriptor):
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise


def _sync_folder(folder):
    """Keep the new name over a power cut, where the file system can."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)
