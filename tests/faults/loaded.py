"""What the server of child processes has loaded: all that a sweep of the toy imports."""

import matplotlib.pyplot  # noqa: F401
import pyarrow.parquet  # noqa: F401
import scipy.linalg.cython_blas  # noqa: F401
import seaborn  # noqa: F401
import toy  # noqa: F401
import toy_measure  # noqa: F401
import tqdm  # noqa: F401

from gradlab import cli, runner  # noqa: F401
from gradlab.plots import draw, late, page, panels  # noqa: F401
from gradlab.suite import sweep  # noqa: F401
