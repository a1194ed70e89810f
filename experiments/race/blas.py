"""Which BLAS kernels multiply here, and whether they are the best that the processor has.

OpenBLAS chooses its kernels by the processor when it is loaded; OPENBLAS_CORETYPE, which some
machines set for old programs, chooses others: half the speed where AVX-512 is left lying.
"""

import functools
import os
from pathlib import Path

from threadpoolctl import threadpool_info

from gradlab.errors import to_stderr
from race.ceiling import limits

NAMES = {"openblas": "OpenBLAS", "blis": "BLIS"}
# What a processor has, by its flags, and the kernels made for it; the better, the later.
LEVELS = {
    "AVX": ({"avx"}, {"sandybridge", "bulldozer", "piledriver", "steamroller"}),
    "AVX2": ({"avx2", "fma"}, {"haswell", "zen", "zen2", "zen3", "excavator"}),
    "AVX-512": (
        {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
        {"skylakex", "cooperlake", "sapphirerapids", "skx", "zen4", "zen5"},
    ),
}
CHOICE = "OPENBLAS_CORETYPE"


def here():
    """{"blas", "blas_warning"} of this process; a warning is written to stderr, once."""
    found = _libraries()
    warning = short_of(found, _flags(), os.environ.get(CHOICE))
    if warning:
        _warn(warning)
    return {"blas": said(found), "blas_warning": warning}


def has(level):
    """Whether this machine's processor has what is named in LEVELS."""
    return LEVELS[level][0] <= _flags()


def said(libraries):
    """ "OpenBLAS 0.3.30, 0.3.31 Haswell": of each kind of kernels the libraries' versions."""
    kinds = {}
    for name, version, kernels in sorted(libraries):
        kinds.setdefault((name, kernels), []).append(version)
    return ", ".join(f"{name} {', '.join(v)} {kernels}" for (name, kernels), v in kinds.items())


def short_of(libraries, flags, choice=None):
    """Why the kernels are not the best of a processor with these flags; "" if they are.

    choice: what OPENBLAS_CORETYPE says. Where flags or kernels are not known, it decides.
    """
    best = max((_rank(name) for name, (own, _) in LEVELS.items() if own <= flags), default=-1)
    ranks = [_rank_of(kernels) for _, _, kernels in libraries]
    because = f" ({CHOICE}={choice} is set)" if choice else ""
    if best < 0 or None in ranks:
        return f"BLAS may not run this processor's best kernels{because}" if choice else ""
    slow = sorted({one[2] for one, rank in zip(libraries, ranks, strict=True) if rank < best})
    if not slow:
        return ""
    return f"BLAS runs {' and '.join(slow)} kernels, this processor has {_name(best)}{because}"


def _rank(name):
    return list(LEVELS).index(name)


def _name(rank):
    return list(LEVELS)[rank]


def _rank_of(kernels):
    """The level that kernels are made for, None if it is not known."""
    return next((_rank(n) for n, (_, made) in LEVELS.items() if kernels.lower() in made), None)


def _libraries():
    """[(name, version, kernels)] of NumPy's and SciPy's BLAS; of some the kernels are not told."""
    limits()  # loads them
    infos = [i for i in threadpool_info() if i["internal_api"] in NAMES and i.get("architecture")]
    return sorted({(NAMES[i["internal_api"]], _short(i), i["architecture"]) for i in infos})


def _short(info):
    return ".".join((info["version"] or "").split(".")[:3])


def _flags():
    """The processor's flags; none where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return set(next((line.split(":")[1] for line in lines if line.startswith("flags")), "").split())


@functools.cache
def _warn(text):
    to_stderr(f"gradlab: {text}\n")
