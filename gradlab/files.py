"""Files that appear whole or not at all, and what a killed process left of them."""

import errno
import os
import re
import secrets
import shutil
import time
from contextlib import ExitStack, contextmanager, suppress
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
    one. Raises OSError, which names `path`, if the disk is full or broken.
    """
    with replacing_together(path) as (temporary,):
        yield temporary


@contextmanager
def replacing_together(*paths, before=None):
    """The same for several files of one folder: all of them, or none.

    What a full disk refuses is done before the first takes its place, and an error later puts it
    back. Who reads such files while they are replaced takes `alone`. Only a kill just between two
    of them parts them. `before` is called when nobody else can replace them any more.
    """
    places = [Path(os.path.realpath(path)) for path in paths]
    with ExitStack() as stack:
        temporaries = [stack.enter_context(_temporary(place)) for place in places]
        yield temporaries
        for temporary, place in zip(temporaries, places, strict=True):
            with telling(place), open(temporary, "rb+") as file:
                _sync(file.fileno())
        with alone(Path(paths[0]).absolute().parent), ExitStack() as kept:
            if before:
                before()
            old = [_linked(place, kept) for place in places[:-1]]
            try:
                for temporary, place in zip(temporaries, places, strict=True):
                    os.replace(temporary, place)
            except OSError:
                for link, place in zip(old, places, strict=False):
                    if link:
                        os.replace(link, place)
                raise
    for folder in {place.parent for place in places}:
        with telling(folder):
            _sync_folder(folder)


def write(path, content):
    """Replace a file by these bytes. Raises OSError, which says how much room they need."""
    with replacing(path) as temporary, telling(path, len(content)):
        temporary.write_bytes(content)


@contextmanager
def telling(path, size=None):
    """An error of the disk that names no file names `path`; of a full one it says what is needed.

    size   bytes that are to be written, None if they are not known.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        room = _room(error.errno, Path(path).parent)
        needed = f"{size:,} bytes are needed, " if room and size is not None else ""
        words = f"{error.strerror}: {needed}{room}" if room else error.strerror
        raise OSError(error.errno, words, str(path)) from error


@contextmanager
def alone(folder):
    """While it lasts no other process replaces files together in the folder, if that has locks."""
    descriptor = None
    with suppress(OSError):  # of another user, or of Windows
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        if descriptor is not None:
            wait_for_lock(descriptor)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _linked(path, stack):
    """Another name of a file until the stack ends; None if it has none, or cannot have two."""
    link = _hidden(path)
    stack.callback(link.unlink, missing_ok=True)
    try:
        os.link(path, link)
    except OSError:
        return None
    return link


def _hidden(path):
    return path.with_name(f".{os.getpid()}-{secrets.token_hex(6)}.{path.name}")


@contextmanager
def _temporary(path):
    """A locked new file beside `path`, which is removed at the end if it is still there."""
    check_place(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _hidden(path)
    try:
        with open(temporary, "xb") as file:
            lock = locked(file) and os.dup(file.fileno())
        try:
            with telling(path):
                yield temporary
        finally:
            if lock:
                os.close(lock)
    finally:
        temporary.unlink(missing_ok=True)


def _room(code, folder):
    """What bounds a file there, in words, where an error's code says that a bound was met."""
    if code == errno.EFBIG:
        import resource

        return f"a file has at most {resource.getrlimit(resource.RLIMIT_FSIZE)[0]:,} (ulimit -f)"
    if code in (errno.ENOSPC, errno.EDQUOT):
        return f"{shutil.disk_usage(folder).free:,} are free"
    return ""


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


def wait_for_lock(file):
    """Wait until the file's lock can be had, and take it, where there are locks."""
    if fcntl:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)


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
