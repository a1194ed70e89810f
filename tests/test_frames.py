"""What claims ask of a table: shares with their intervals."""

import pandas as pd
import pytest
from scipy.stats import binomtest

from gradlab.suite import NotMeasured, interval, wilson


@pytest.mark.parametrize(("hits", "runs"), [(0, 1), (0, 5), (3, 5), (5, 5), (17, 210), (209, 210)])
def test_the_interval_is_wilsons(hits, runs):
    found, low, high = wilson(hits, runs)
    known = binomtest(hits, runs).proportion_ci(method="wilson")
    assert (found, low, high) == pytest.approx((hits / runs, known.low, known.high), abs=1e-12)


def test_a_share_counts_the_rows_with_these_values():
    frame = pd.DataFrame({"threshold": [1.0, 1.0, 1.0, 2.0], "solved": [1.0, 0.0, 1.0, 0.0]})
    assert interval(frame, "solved", threshold=1.0) == wilson(2, 3)
    assert interval(frame, "solved") == wilson(2, 4)
    with pytest.raises(NotMeasured, match="threshold=3"):
        interval(frame, "solved", threshold=3.0)
