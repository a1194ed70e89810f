"""Errors that the user can mend; the command line prints them as one line."""

import contextlib
import os
import sys
import traceback

LONGEST = 1000  # characters: an array of thousands of lanes has a long name
# What people call it -> its name here.
SYNONYMS = {
    "B": "batch", "N": "hidden_size", "T": "sequence_length",
    "alpha": "omega", "bias": "forget_bias", "cell": "model", "clip": "clip_threshold",
    "clipping": "clip_threshold",
    "dt": "interval", "epochs": "updates", "hidden": "hidden_size", "initialization": "init",
    "length": "sequence_length", "linear": "identity", "lr": "learning_rate", "model": "cell",
    "nonlinearity": "activation", "radius": "spectral_radius", "rate": "learning_rate",
    "rho": "spectral_radius", "rnn": "elman", "scale": "input_scale", "seeds": "seed",
    "seq_len": "sequence_length", "steps": "sequence_length", "threshold": "clip_threshold",
    "units": "hidden_size", "vanilla": "elman",
}  # fmt: skip


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
    """The text, if it is among the known ones. Raises UserError, one line, if not."""
    if not isinstance(value, str):
        raise UserError(f"{name} must be one of {', '.join(known)}, not {value!r}")
    value = str(value)  # NumPy's text prints its type
    if value not in known:
        hint = did_you_mean(value, known)
        raise UserError(f"{name} must be one of {', '.join(known)}, not {value!r}{hint}")
    return value


def did_you_mean(given, known):
    """ ": did you mean X?", or nothing where no known name is near."""
    meant = nearest(given, known)
    return f": did you mean {meant}?" if meant else ""


def nearest(given, known, like=0.65):
    """The known name that was probably meant, by SYNONYMS or by its letters; None if none is.

    like: the share of letters in common, in their order, from which on two names are near.
    """
    import difflib

    given, known = str(given), list(map(str, known))
    for name in (SYNONYMS.get(given), SYNONYMS.get(given.lower())):
        if name in known:
            return name
    folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(given.lower(), folded, 1, like)
    return folded[near[0]] if near else None
