"""A running text, any file in UTF-8, as words or as characters."""

import os
import re
import unicodedata

from gradlab.errors import UserError, one_of
from gradlab.text.opened import Wrong, begun, opened

UNITS = ("word", "character")
JOINERS = "\u200c\u200d"  # no mark on paper: in words of Persian, of Hindi


def read(path: str | os.PathLike[str], unit: str = "word") -> list[str]:
    """The words or characters of a text file, as `pieces` cuts them.

    Raises UserError, one line, for a file that is none, is not in UTF-8 or holds nothing.

    >>> from gradlab.text import samples
    >>> read(samples.path("opticks.txt"))[:8]
    ['Query', '1', '.', 'Do', 'not', 'Bodies', 'act', 'upon']
    """
    with opened(path) as file:
        content = file.read()
    try:
        text = begun(content).decode().replace("\r\n", "\n")
    except Wrong as error:
        raise UserError(f"{path}: {error}") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not in UTF-8") from None
    found = pieces(text, unit)
    if not found:
        raise UserError(f"{path}: no {unit} in it")
    return found


def pieces(text: str, unit: str = "word") -> list[str]:
    """The words of a text, with each mark between them as a word; or all its characters.

    Raises UserError for another unit.

    >>> pieces("Don't look, it's 3.14!")
    ["Don't", 'look', ',', "it's", '3.14', '!']
    """
    if one_of("unit", unit, UNITS) == "character":
        return list(text)
    return _word(text).findall(text)


def _word(text: str) -> re.Pattern[str]:
    """Letters and digits with what joins them (don't, twenty-one, 3.14), or one other mark.

    What stands on a letter is of it, as accents and the vowels of Hindi are (Unicode, categories M;
    UAX 29, rule WB4). `re` has no class of these: those of the text are named.
    """
    marks = "".join(sorted(c for c in {*text} if unicodedata.category(c)[0] == "M"))
    letters = rf"(?:[^\W_][{JOINERS}{marks}]*)+"
    return re.compile(rf"{letters}(?:[.,'\u2019-]{letters})*|[^\w\s]|_")


def joined(found: list[str], unit: str = "word") -> str:
    """A text of what `pieces` made: words with a space between, none before . , ; : ! ? and ).

    >>> joined(["Yes", ",", "it", "is", "."])
    'Yes, it is.'
    """
    if one_of("unit", unit, UNITS) == "character":
        return "".join(found)
    return re.sub(r" (?=[.,;:!?)])|(?<=\() ", "", " ".join(found))


def parts(found: list[str], held_out: float = 0.1) -> tuple[list[str], list[str]]:
    """The text without its end, and its end: the share `held_out`, to be judged on.

    Raises UserError unless both have a piece.
    """
    if not (isinstance(held_out, int | float) and 0 < held_out < 1):
        raise UserError(f"held_out={held_out}: must be a share above 0 and below 1")
    cut = len(found) - round(held_out * len(found))
    if not 0 < cut < len(found):
        raise UserError(f"held_out={held_out}: of {len(found)} pieces one part has none")
    return found[:cut], found[cut:]
