"""Small graphs and matrices drawn with their numbers; knows positions and numbers only.

Coordinates are those of a `stage`, one unit the same length both ways. By the house's habit a
value is ink, above its edge, and a gradient red, below it.
"""

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle

from gradlab.plots import palette, style

RADIUS = 0.32
TILE = (1.0, 0.62)
# For lines on white: pale where they are lost, ink at 0, glowing far above it.
FLOW = LinearSegmentedColormap.from_list(
    "flow", ["#b4d6ee", palette.VANISHING, palette.CRITICAL, palette.EXPLODING, "#ff7a4d"]
)


def stage(panel, width, height, equal=True):
    """Empty a panel and give it the coordinates [0, width] x [0, height]."""
    panel.set(xlim=(0, width), ylim=(0, height))
    panel.set_aspect("equal" if equal else "auto")
    panel.set_axis_off()


def whole_decades(bar):
    """Label a colour bar of decades by powers of ten, at whole ones."""
    style.powers_of_ten(bar.ax.yaxis)
    bar.outline.set_visible(False)


def node(panel, at, text, color="white", radius=RADIUS):
    """A circle with a few letters in it."""
    panel.add_patch(Circle(at, radius, fc=color, ec=palette.CRITICAL, lw=1.4, zorder=3))
    size = 13 if len(text) < 3 or text[0] == "$" else 10
    panel.text(*at, text, ha="center", va="center", fontsize=size, zorder=4)


def edge(panel, start, end, value="", gradient=""):
    """An arrow between two nodes: value above, gradient below; left and right of a steep one."""
    start, end = np.array(start, dtype=float), np.array(end, dtype=float)
    along = (end - start) / np.linalg.norm(end - start)
    first, last = start + along * RADIUS, end - along * RADIUS
    arrow = {"arrowstyle": "-|>", "mutation_scale": 13, "shrinkA": 0, "shrinkB": 0, "zorder": 2}
    panel.add_patch(FancyArrowPatch(first, last, color=palette.MUTED, lw=1.3, **arrow))
    steep = abs(along[1]) > abs(along[0])
    away = np.array([-0.12, 0.0]) if steep else np.array([0.0, 0.09])
    sides = (
        ("right", "center", "left", "center") if steep else ("center", "bottom", "center", "top")
    )
    middle = (first + last) / 2
    panel.text(*middle + away, value, ha=sides[0], va=sides[1], fontsize=11.5)
    label = panel.text(*middle - away, gradient, ha=sides[2], va=sides[3], fontsize=11.5)
    label.set_color(palette.EXPLODING)


def written(values):
    """Numbers as text: 0.5, (1, -2), or a matrix line by line."""
    values = np.array(values, dtype=float)
    if values.size == 1:
        return number(values.item())
    lines = ["(" + ", ".join(map(number, line)) + ")" for line in np.atleast_2d(values)]
    return "\n".join(lines)


def web(panel, starts, ends, sizes, limit):
    """Many edges at once, (E, 2) to (E, 2), as wide and coloured as their sizes (E,).

    Sizes are decades: 0 is ink, -limit pale and a hair, +limit bright and broad.
    """
    share = np.clip(np.asarray(sizes) / limit, -1, 1)
    order = np.argsort(share, kind="stable")  # the strong ones on top
    lines = np.stack([starts, ends], axis=1)[order]
    drawn = LineCollection(lines, cmap=FLOW, linewidths=2.8 * 2.6 ** share[order], zorder=1)
    drawn.set(array=share[order] * limit, clim=(-limit, limit), capstyle="round")
    return panel.add_collection(drawn)


def tiles(panel, corner, values, title="", color_limit=1.0, cell=TILE):
    """A matrix (rows, columns) as coloured tiles with its numbers, its top left at `corner`.

    The title stands above. Returns the x of its right edge.
    """
    values = np.atleast_2d(values)
    shades = style.centred(values, color_limit)
    (x, y), (width, height) = corner, cell
    for (i, j), value in np.ndenumerate(values):
        at = x + j * width, y - (i + 1) * height
        shade = 0.5 + 0.55 * (np.clip(shades(value), 0, 1) - 0.5)  # pale: the numbers are read
        panel.add_patch(Rectangle(at, width, height, fc=style.DIVERGING(shade), ec="white", lw=2))
        panel.text(at[0] + width / 2, at[1] + height / 2, number(value), ha="center", va="center",
                   fontsize=11)  # fmt: skip
    right = x + values.shape[1] * width
    panel.text((x + right) / 2, y + 0.1, title, ha="center", va="bottom", color=palette.MUTED)
    return right


def equation(panel, start, parts, color_limit=1.0):
    """Matrices and words from left to right, centred on a line that starts at `start`.

    A part is (title, matrix or vector), or (words, how wide they are). Returns the x of the right
    end.
    """
    x, middle = start
    for text, what in parts:
        if np.ndim(what) == 0:
            size = 15 if what < 1 else 12  # a sign, or words
            panel.text(x + what / 2, middle, text, ha="center", va="center", fontsize=size,
                       color=palette.MUTED)  # fmt: skip
            x += what
        else:
            values = np.atleast_2d(what)
            top = middle + len(values) * TILE[1] / 2
            x = tiles(panel, (x, top), values, text, color_limit)
    return x


def number(value, digits=3):
    """A number with at most so many digits after the point: 0.5, -1, 0.333, and 0 for -0.0001."""
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"
    return "0" if text == "-0" else text
