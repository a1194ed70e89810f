"""Errors that the user can mend; the command line prints them as one line."""

import contextlib
import os
import sys
import traceback

LONGEST = 1000  # characters: an array of thousands of lanes has a long name


class UserError(ValueError):
    """Wrong input: the message is one line that says what was given and what would be right.

    What was given may itself have many lines, as an array has: they are joined, and cut.
    """

    def __init__(self, message):
        line = " ".join(part.strip() for part in str(message).splitlines())
        if len(line) > LONGEST:
            line = f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
        super().__init__(line)


def to_stderr(text):
    """Write text to stderr. Without a console it is None, and `print` would take stdout for it."""
    with contextlib.suppress(AttributeError, OSError, ValueError):  # None, broken, closed
        sys.stderr.write(text)


def told(error):
    """What an exception says, in one line, also where its own __str__ fails."""
    try:
        return " ".join(str(error).split())
    except Exception:
        return "(it cannot say what)"


def named(error):
    """ "ValueError: what it says"."""
    return f"{type(error).__name__}: {told(error)}"


def placed(error):
    """ "ValueError: what it says (file.py:12)": where it was raised, without folders."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    return f"{named(error)}{where}"


def one_of(name, value, known):
    """The value, if it is among the known ones. Raises UserError."""
    if value not in known:
        raise UserError(f"{name}={value}: must be one of {', '.join(map(str, known))}")
    return value
