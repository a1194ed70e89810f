"""Controls: each makes the wrong world that it names, and leaves the table that it is given."""

import pandas as pd
import pytest

from gradlab.suite import always, passes_for, scaled, shifted, shuffled, swap
from gradlab.suite.claims import in_words

FRAME = pd.DataFrame({"r": [0.5, 0.5, 1.0, 2.0], "y": [1.0, 2.0, 3.0, 4.0], "z": [9, 8, 7, 6]})


def doubled(frame):
    return 2 * frame.z


@pytest.mark.parametrize(
    ("control", "column", "wrong", "words"),
    [
        (swap("r", 0.5, 1.0), "r", [1.0, 1.0, 0.5, 2.0], "r 0.5 and 1.0 change places"),
        (passes_for("z", "y"), "y", [9, 8, 7, 6], "z passes for y"),
        (passes_for("z / 2", "y"), "y", [4.5, 4.0, 3.5, 3.0], "z / 2 passes for y"),
        (passes_for(doubled, "y"), "y", [18, 16, 14, 12], "doubled passes for y"),
        (scaled("y", 0.5), "y", [0.5, 1.0, 1.5, 2.0], "y times 0.5"),
        (shifted("y", 1), "y", [2.0, 3.0, 4.0, 5.0], "y plus 1"),
        (shifted("z", -1), "z", [8, 7, 6, 5], "z plus -1"),
        (always("r", 2.0), "r", [2.0] * 4, "r is 2.0 everywhere"),
    ],
)
def test_a_control_changes_one_column_and_says_how(control, column, wrong, words):
    given = FRAME.copy()
    made = control(given)
    assert made[column].tolist() == wrong
    others = [name for name in FRAME if name != column]
    pd.testing.assert_frame_equal(made[others], FRAME[others])
    pd.testing.assert_frame_equal(given, FRAME)
    assert str(control) == in_words(control) == words
    assert control.plausible == (words != "r is 2.0 everywhere")


def test_a_swap_of_words_and_back():
    frame = pd.DataFrame({"cell": ["gru", "lstm", "elman", None]})
    once = swap("cell", "gru", "lstm")(frame)
    assert once.cell.tolist()[:3] == ["lstm", "gru", "elman"] and once.cell.isna()[3]
    pd.testing.assert_frame_equal(swap("cell", "lstm", "gru")(once), frame)


def test_dealing_out_keeps_the_values_and_not_their_rows():
    frame = pd.DataFrame({"y": range(20), "z": range(20)}, index=range(5, 25))
    made, again = shuffled("y")(frame), shuffled("y")(frame)
    assert sorted(made.y) == list(frame.y) and (made.y != frame.y).sum() > 10
    assert made.z.equals(frame.z) and made.y.equals(again.y)
    assert str(shuffled("y")) == "y is dealt out to other rows" and not shuffled("y").plausible
