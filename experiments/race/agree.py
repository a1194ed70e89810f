"""Whether two contenders computed the same."""

import numpy as np

TOLERANCE = {"float64": 1e-9, "float32": 1e-4}  # relative


def difference(found, right):
    """The largest relative difference between two results, dicts of arrays.

    Norms are compared one by one; gradients (networks, ...) by ||found - right|| / ||right|| of
    each network's. nan or a missing array is infinite.
    """
    if found.keys() != right.keys():
        return np.inf
    worst = max(_relative(found[name], right[name], name) for name in right)
    return worst if np.isfinite(worst) else np.inf


def _relative(found, right, name):
    found, right = np.asarray(found), np.asarray(right)
    if found.shape != right.shape:
        return np.inf
    rows = right.size if name == "norm" else len(right)
    found, right = (a.astype(np.float64).reshape(rows, -1) for a in (found, right))
    far, size = (np.linalg.norm(a, axis=1) for a in (found - right, right))
    return np.max(np.where(far == 0, 0.0, far / np.where(size > 0, size, np.finfo(float).tiny)))
