"""A caption's parts: "a, b: medians; c: means" is two, and each is said of panels that are there.

A part begins with letters and a colon: "a: ", "a and b: ", "b to d: ", "dashed in b: ". It goes on
to the next such part, to the end of its line, or of the brackets that it stands in.
"""

import re

_LETTER = r"[a-l](?![a-z])"
_PART = re.compile(
    rf"(?<![^\s(])(?P<before>(?:(?:[A-Za-z]+ )?in )?)"
    rf"(?P<letters>{_LETTER}(?:(?:, | and | to |-){_LETTER})*): "
)


def of_panels(text, there):
    """The caption of a page on which only the panels `there` are left, a string of letters."""
    lines = [_line(line, there) for line in text.split("\n")]
    return "\n".join(line for line in lines if line)


def _line(line, there):
    heads = list(_PART.finditer(line))
    start, *stops = [head.start() for head in heads] + [len(line)]
    said = line[:start]
    for head, stop in zip(heads, stops, strict=True):
        end = _closing(line, head.end(), stop)
        if letters := [letter for letter in _named(head["letters"]) if letter in there]:
            kept = len(letters) == len(_named(head["letters"]))
            named = head["letters"] if kept else ", ".join(letters)
            said += f"{head['before']}{named}: {line[head.end() : end]}"
        said += line[end:stop]
    return re.sub(r"\s*\(\)|[;,\s]+(?=\)|$)", "", said)


def _closing(text, start, stop):
    """Where the bracket that was open at `start` closes, else `stop`."""
    depth = 0
    for place in range(start, stop):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth < 0:
            return place
    return stop


def _named(letters):
    """The panels of "a, c", a and c; "a to c" and "a-c" name b as well."""
    found = re.split(", | and | to |-", letters)
    if " to " in letters or "-" in letters:
        return [chr(code) for code in range(ord(found[0]), ord(found[-1]) + 1)]
    return found
