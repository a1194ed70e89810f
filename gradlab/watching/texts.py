"""Numbers from a log's texts: a cell may be empty, or say that it is not finite."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MISSING = ("", "na", "n/a", "#n/a", "<na>", "none", "null", "-")  # nan is a norm, and no gap


def numbers(texts, comma=False):
    """(float64, where nothing stands, where something else stands) of an array of texts.

    nan, inf and infinity are numbers, in any case; comma: decimal commas are points.
    """
    texts = pc.utf8_trim_whitespace(texts)
    if comma:
        texts = pc.replace_substring(texts, ",", ".")
    empty = pc.is_in(pc.utf8_lower(texts), pa.array(MISSING))
    known, missing = pc.if_else(empty, None, texts), empty.to_numpy(zero_copy_only=False)
    try:
        values = pc.cast(known, pa.float64()).to_numpy(zero_copy_only=False)
        return values, missing, np.zeros(len(values), bool)
    except pa.ArrowInvalid:  # some are no numbers, or beyond float64
        found = [_number(text) for text in known.to_pylist()]
    wrong = np.array([value is None for value in found], bool) & ~missing
    return np.array([np.nan if value is None else value for value in found]), missing, wrong


def _number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
