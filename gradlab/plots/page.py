"""A page: a headline, rows of panels and a caption, drawn from a table alone.

    figure = page(
        "Gradients vanish below the edge and explode above it",
        "{network}, {hidden_size} units, task {task}, {seeds} seeds",
        [
            [Panel("the gradient on its way back", by_lag("log10_gradient", "spectral_radius"))],
            [Panel("radius {spectral_radius}: losses", losses, {"spectral_radius": near(1.2)})],
        ],
    )

Text in braces follows the table: a column's value, or its values; {seeds} counts them, {network}
names the cell and what matters of it. A panel whose rows the table lacks is left out, and the
others take its place.
"""

import math
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradlab.errors import UserError
from gradlab.plots.captions import of_panels
from gradlab.plots.late import Late
from gradlab.suite.claims import in_words
from gradlab.suite.frames import NotMeasured, rows

style = Late("gradlab.plots.style")
MOST = 8  # parts of a table, one below the other


@dataclass(frozen=True)
class Panel:
    """One panel: draw(axes, frame) on the rows `where` (as `gradlab.suite.rows` takes them).

    title   its title; text in braces follows these rows. A function of them may stand for it.
    width   its share of its row, a whole number: 3 beside 1 is three times as wide.
    says    one sentence on what it shows, for `gradlab show`; else what `draw` says of itself.
    """

    title: str | Callable
    draw: Callable
    where: Mapping = field(default_factory=dict)
    says: str = ""
    width: int = 1

    def title_on(self, frame) -> str:
        """The title on a table. Raises NotMeasured if the table lacks the panel's rows."""
        return filled(self.title, rows(frame, **self.where))

    @property
    def sentence(self) -> str:
        """What the panel shows, in one sentence."""
        return self.says or in_words(self.draw)


@dataclass(frozen=True)
class Page:
    """What `page` makes: called with a table it is the figure."""

    headline: str | Callable
    caption: str | Callable
    rows: Sequence[Sequence[Panel]]
    size: tuple[float, float]
    heights: Sequence[float]

    @property
    def panels(self) -> list[Panel]:
        """All panels in reading order."""
        return [panel for row in self.rows for panel in row]

    def __call__(self, frame):
        """The figure. Raises NotMeasured if the table lacks the rows of every panel."""
        figure = style.roomy(self.size)
        height, caption = self._fill(figure, frame)
        # as wide as it was: headline and caption need their place
        figure.set_size_inches(self.size[0], height)
        style.headline(figure, filled(self.headline, frame))
        style.caption(figure, caption)
        return figure

    def of_parts(self, parts):
        """The figure of each part of a table, [({name: value}, rows)], one below the other.

        Raises NotMeasured if all of them lack the rows of every panel, and for too many.
        """
        if len(parts) > MOST:
            raise NotMeasured(f"has {len(parts)} parts, of which a figure holds {MOST} at most")
        heights, lacking = {}, []
        for i, (_, frame) in enumerate(parts):
            try:
                heights[i], _ = self._fill(style.roomy(self.size), frame)
            except NotMeasured as missing:
                lacking.append(missing)
        if not heights:
            raise lacking[0]
        figure = style.roomy((self.size[0], sum(heights.values())))
        below = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=[*heights.values()])
        for i, own in zip(heights, below[:, 0], strict=True):
            said, frame = parts[i]
            style.caption(own, self._fill(own, frame)[1])
            own.suptitle(_said(said), x=0.01, ha="left", fontsize=15)
        style.headline(figure, filled(self.headline, parts[min(heights)][1]))
        return figure

    def _fill(self, figure, frame):
        """Draw all panels; the height (inches) that they need, and the caption."""
        places = _grid(figure, self.rows, self.heights)
        missing, kept, there = [], [], ""
        for letter, panel, place in zip(_letters(), self.panels, places, strict=False):
            axes = figure.add_subplot(place)
            try:
                here = rows(frame, **panel.where)
                panel.draw(axes, here)
                if is_empty(axes):
                    raise NotMeasured(f"has nothing to show in panel {letter}")
            except NotMeasured as lacking:
                _remove(figure, axes)
                missing.append(lacking)
                continue
            axes.set_title(rf"$\bf{{{letter}}}$   {filled(panel.title, here)}")
            kept.append((panel, axes))
            there += letter
        if not kept:
            raise missing[0]
        caption = filled(self.caption, frame)
        if not missing:
            return self.size[1], caption
        return self._close_up(figure, kept), of_panels(caption, there)

    def _close_up(self, figure, kept):
        """The panels that are left take the place of those that are not; their height."""
        there = {id(panel): axes for panel, axes in kept}
        left = [[panel for panel in row if id(panel) in there] for row in self.rows]
        heights = [height for some, height in zip(left, self.heights, strict=True) if some]
        left = [some for some in left if some]
        panels = [panel for row in left for panel in row]
        for panel, place in zip(panels, _grid(figure, left, heights), strict=True):
            there[id(panel)].set_subplotspec(place)
        return self.size[1] * sum(heights) / sum(self.heights)


def page(headline, caption, panels, size=(14.5, 10.5), heights=None) -> Page:
    """A figure of rows of panels under a headline, with a caption in a few quiet lines.

    headline   what the claims bear out; on a table where they do not all hold, the experiment's
               question stands there instead.
    caption    a part of it that begins with panels' letters, as in "a, b: medians; c: means", is
               said only if one of them is there; it ends with its line or its brackets.
    panels     rows of `Panel`s, or one row.
    size       inches.
    heights    of the rows, relative to each other; the same unless given.
    """
    panels = [panels] if isinstance(panels[0], Panel) else panels
    return Page(headline, caption, panels, size, heights or [1] * len(panels))


def filled(text, frame) -> str:
    """Text with its braces filled from a table, or what a function makes of the table.

    Raises UserError for braces that hold no name.
    """
    text = text(frame) if callable(text) else text
    if not _holds_names(text):
        right = "a name in braces stands for a column; braces that are to be seen are doubled"
        raise UserError(f"text {text!r}: {right} ({{{{ }}}})")
    return text.format_map(_Fields(frame))


def _holds_names(text):
    try:
        fields = [field for field in string.Formatter().parse(text) if field[1] is not None]
    except ValueError:  # a single brace
        return False
    return all(name.isidentifier() and not (spec or made) for _, name, spec, made in fields)


class _Fields(dict):
    """What stands for a name in braces."""

    def __init__(self, frame):
        super().__init__()
        self.frame = frame

    def __missing__(self, name):
        if name in self.frame:  # a column of that name comes first
            return values(self.frame[name])
        if name == "seeds" and "seed" in self.frame:
            count = self.frame.seed.nunique()
            return f"{count} seed" + "s" * (count != 1)
        if name == "network":
            return network(self.frame)
        return "no"


def values(column) -> str:
    """The values of a column in a few words: "64", "0.5, 1 and 2", "0.5 to 2.5"."""
    found = list(dict.fromkeys(column.dropna()))
    words = [written(value) for value in found]
    if len(words) < 2:
        return words[0] if words else "none"
    if len(words) < 5:
        return f"{', '.join(words[:-1])} and {words[-1]}"
    if isinstance(found[0], str):
        return f"{', '.join(words[:3])} and {len(words) - 3} more"
    return f"{written(min(found))} to {written(max(found))}"


def written(value) -> str:
    """A value as it stands on a figure; an infinite threshold is none."""
    if isinstance(value, str):
        return value.replace("_", " ")
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return "none" if math.isinf(value) else f"{value:g}"


def network(frame) -> str:
    """The networks of a table: "tanh RNN", "LSTM, forget bias 1", or all their cells."""
    return _cells(frame) + "".join(_more(frame))


def _more(frame):
    """What of a network is not as it mostly is: its layers, directions and floats."""
    if "layers" in frame and (frame.layers > 1).any():
        yield f", {values(frame.layers)} layers"
    if "bidirectional" in frame and frame.bidirectional.any():
        yield ", both directions"
    if "dtype" in frame and (frame["dtype"] != "float64").any():
        yield f", {values(frame['dtype'])}"


def _cells(frame):
    cells = list(dict.fromkeys(frame.cell)) if "cell" in frame else ["elman"]
    if cells == ["elman"]:
        return f"{values(frame.activation)} RNN" if "activation" in frame else "RNN"
    names = [
        {"elman": "RNN", "jordan": "Jordan RNN", "lstm": "LSTM", "gru": "GRU"}.get(cell, cell)
        for cell in cells
    ]
    bias = frame.forget_bias if "forget_bias" in frame else []
    more = f", forget bias {values(bias)}" if any(value != 0 for value in bias) else ""
    return " and ".join(names) + more


def _said(settings):
    """The settings of a part of a table: "cell lstm, layers 2"."""
    return ", ".join(f"{name.replace('_', ' ')} {written(v)}" for name, v in settings.items())


def is_empty(axes) -> bool:
    """Whether a panel shows nothing but lines across it."""

    def is_data(line):
        inside = all(line.get_transform().contains_branch_seperately(axes.transData))
        return inside and np.isfinite(np.array(line.get_xydata(), float)).all(1).any()

    shown = [*axes.texts, *axes.images, *axes.collections, *axes.patches]
    return not (shown or any(map(is_data, axes.lines)))


def _letters():
    return "abcdefghijkl"


def _grid(figure, rows, heights):
    """Places for rows of panels, every row as wide as the figure.

    Rows of like widths share their columns. In others the colour bar of a wide panel would take
    its place from the panels above it, so they have a grid each.
    """
    widths = [tuple(panel.width for panel in row) for row in rows]
    if len(set(widths)) == 1:
        grid = figure.add_gridspec(
            len(rows), len(widths[0]), width_ratios=widths[0], height_ratios=heights
        )
        return [grid[i, j] for i, row in enumerate(rows) for j in range(len(row))]
    grid = figure.add_gridspec(len(rows), 1, height_ratios=heights)
    parts = [grid[i].subgridspec(1, len(row), width_ratios=row) for i, row in enumerate(widths)]
    return [part[j] for part, row in zip(parts, rows, strict=True) for j in range(len(row))]


def _remove(figure, axes):
    """Take a panel away, and with it the colour bar that it may have got."""
    for other in list(figure.axes):
        if other is axes or axes in getattr(other, "_colorbar_info", {}).get("parents", ()):
            other.remove()
