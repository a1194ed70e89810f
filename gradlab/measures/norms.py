"""Norms and sums of many rows at a time, each row with an exponent: rows[l] * 2^exponent[l]."""

import numpy as np

from gradlab.nets.exponents import plain

SAFE = 1e-200  # sums of squares from here to its inverse have lost nothing that counts


def log2_norms(rows, exponent=0):
    """log2 of the norm over the last axis of rows (..., n), times 2^exponent; -inf for zero.

    Scaled by the largest entry before squaring where the squares would leave float64's range.
    """
    rows = np.asarray(rows, np.float64)
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        squares = np.einsum("...n,...n->...", rows, rows)
        found = np.asarray(0.5 * np.log2(squares))
        outside = ~((squares > SAFE) & (squares < 1 / SAFE))
        if outside.any():
            found[outside] = _scaled(rows[outside])
    return found + exponent


def _scaled(rows):
    top = np.abs(rows).max(-1, initial=0.0)
    unit = np.where(top > 0, top, 1.0)
    return np.log2(unit) + 0.5 * np.log2(np.square(rows / unit[:, None]).sum(-1))


def add(one, other):
    """Add other to one in place, both (rows (L, n), exponent (L,)).

    At the exponent of the larger one, row by row: a sum that is exactly zero has an exponent that
    says nothing.
    """
    (total, level), (rows, exponent) = one, other
    apart = level != exponent
    shifted = _shifted(*((a[apart], e[apart]) for a, e in (one, other)))
    with np.errstate(over="ignore", invalid="ignore"):  # of rows that are apart
        total += rows
    total[apart], level[apart] = shifted


def _shifted(one, other):
    level = np.where(_top(*one) >= _top(*other), one[1], other[1])
    return sum(plain(rows, (exponent - level)[:, None]) for rows, exponent in (one, other)), level


def _top(rows, exponent):
    """log2 of each row's largest entry, rounded up; -inf for zero."""
    top = np.abs(rows).max(-1, initial=0.0)
    return np.where(top == 0, -np.inf, np.frexp(top)[1] + exponent)
