"""What a row counts, and its one line."""

import time
from collections import Counter

KINDS = ("lost", "twice", "wrong")
SHOWN = 5  # findings that are kept in words


class Tally:
    """Trials, and what went wrong in them.

    lost: committed work that is gone or ran again; twice: work that is there two times; wrong:
    every other breach of what the row asks.
    """

    def __init__(self):
        self.trials, self.found, self.notes = 0, Counter(), []
        self.figures, self.missing = {}, []
        self._started = time.monotonic()

    def trial(self, *breaches):
        """Count a trial; breaches: (kind, words), or None for what was in order."""
        self.trials += 1
        for kind, words in filter(None, breaches):
            assert kind in KINDS
            self.found[kind] += 1
            if len(self.notes) < SHOWN:
                self.notes.append(f"{kind}: {words}")

    def lacks(self, words):
        """Something that this machine does not allow to try."""
        self.missing.append(words)

    def __bool__(self):
        return self.trials > 0 and not self.found

    def record(self):
        """What is kept of the row."""
        return {
            "trials": self.trials,
            **{kind: self.found[kind] for kind in KINDS},
            "seconds": round(time.monotonic() - self._started, 1),
            "figures": self.figures,
            **({"missing": self.missing} if self.missing else {}),
            **({"notes": self.notes} if self.notes else {}),
        }


def wrong(is_right, words):
    """A breach if something is not right."""
    return None if is_right else ("wrong", words)
