"""Errors that the user can mend; the command line prints them as one line."""

import contextlib
import sys

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
