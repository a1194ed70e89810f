"""The panels that experiments share. Each function here makes a draw(axes, frame) for a `Panel`.

Lines are medians over seeds, with the quartiles between them as a band where one is asked for. A
`hue` is a column whose values have a colour each: cool below its `edge`, ink on it, warm above it.
"""

from collections.abc import Mapping

import numpy as np

from gradlab.plots.late import Late
from gradlab.plots.page import written
from gradlab.plots.palette import CRITICAL, EXPLODING, MUTED, VANISHING
from gradlab.suite import survival
from gradlab.suite.frames import NotMeasured, column_name, lags, nearest, read_column, wilson

pd = Late("pandas")
sns = Late("seaborn")
style = Late("gradlab.plots.style")
QUARTILES, RANGE = ("pi", 50), ("pi", 100)
HUGE = 1e300


def drawing(text):
    """Give a drawing function the sentence that `gradlab show` prints of it."""

    def described(function):
        function.__doc__ = text
        return function

    return described


def medians(x, y, hue=None, *, chosen=None, edge=None, palette=None, colour=CRITICAL, label=None,
            band=None, estimator="median", sizes=None, law=None, law_label=None, law_line="--",
            level=None, points="o", line="-", decades=False, placed=False, legend=None, loc="best",
            **axes):  # fmt: skip
    """Medians of a column over another, a line a hue; theory's law over each.

    y, hue    columns, by name or as functions of the frame.
    chosen    the values of the hue that are shown, each the nearest there is; else all.
    edge      the hue's value in ink, or a function of the frame; or palette: as of `hues`.
    colour    of the one line without a hue, and its label; with a hue label(hue's rows) -> text, or
              "" for lines that the legend leaves out.
    band      seaborn's errorbar, such as QUARTILES or RANGE; none by default.
    estimator seaborn's: a name, or a function of values, where it is not the median.
    sizes     hue's value -> size of its points, where it is not the usual one.
    law       law(hue's rows, x array) -> theory's y array, drawn dashed, and points without a line
              where it is finite. law_label: its one line in the legend; law_line: its style.
    level     a value with a quiet line across, or a function of the frame that gives one.
    decades   y is a log10: its axis is labelled by powers of ten.
    placed    the axis x is one of places, each under its value; an infinite one is "none".
    legend    its title, or what `Axes.legend` takes; "" for none.
    axes      what `Axes.set` takes: xlabel, ylabel, xscale, ylim ...; headroom=0.3 makes the y
              axis so much higher, for the legend.
    """
    sentence = f"{column_name(estimator).capitalize()} of {column_name(y)} over {x}" + _each(hue)
    hue, given = column_name(hue), hue

    @drawing(sentence)
    def draw(panel, frame):
        frame = with_column(frame, given)
        known = measured(frame, y)
        steps = sorted(set(known[x]))
        if placed:
            known = known.assign(**{x: known[x].map(steps.index)})
        shades = {None: colour} if hue is None else hues(frame, hue, chosen, edge, palette)
        for value, shade in shades.items():
            here = known if hue is None else known[known[hue] == value]
            if here.empty:
                continue
            here, statistic, spread = counting_infinite(here, x, column_name(y), estimator, band)
            fine = np.linspace(here[x].min(), here[x].max(), 200)
            theory = law(here, fine) if law else np.nan * fine
            alone = np.isfinite(theory).any()
            sns.lineplot(
                here, x=x, y=column_name(y), estimator=statistic, errorbar=spread, ax=panel,
                color=shade, label=_label(label, here, value),
                marker=points if here[x].nunique() > 1 else points or "o",
                ms=(sizes or {}).get(value, 7 if alone else 5), mew=0, ls="" if alone else line,
                err_kws={"lw": 0} if band else None,
            )  # fmt: skip
            panel.plot(fine, theory, law_line, lw=1.6, color=shade)
        if law_label:
            panel.plot([], [], law_line, lw=1.6, color=colour if hue is None else MUTED,
                       label=law_label)  # fmt: skip
        if level is not None:
            height = level(frame) if callable(level) else level
            panel.axhline(height, color=MUTED, lw=1, zorder=1)
        if placed:
            places(panel.xaxis, steps)
        finish(panel, decades, legend if legend is not None else _title(hue), loc, **axes)

    return draw


def by_lag(column, hue, *, relative=True, theory=None, **options):
    """The gradient by lag, a line a hue: the columns `column`_lag_N, and 0 at lag 0 if relative.

    theory    a column of rates (decades a step): its straight line through the first point.
    options   as of `medians`, decades=True unless given.
    """

    def rate(here, lag):
        return lag * here[theory].mean()

    inner = medians(
        "lag", column, hue,
        **{"law": rate if theory else None, "decades": True, "xlabel": "lag T - t (steps)"}
        | options,
    )  # fmt: skip

    @drawing(f"Median of {column} by lag" + _each(hue))
    def draw(panel, frame):
        long = lags(frame, column)
        if relative:
            start = long[long["lag"] == long["lag"].min()].assign(**{"lag": 0, column: 0.0})
            long = pd.concat([start, long])
        inner(panel, long)

    return draw


def regime_map(x, y, value, *, label, limit=None, cmap=None, diverging=None, contour=0.0, **axes):
    """Medians of a column over two axes as a heat map, 0 in the middle, its contour in ink.

    value       a column, by name or as a function of the frame.
    label       of the colour bar; limit: of its scale, else the 98th percentile.
    cmap        a sequential colour map from 0 to 1 instead (no contour).
    diverging   a colour map in place of the house's, from cool (vanishing) to warm (exploding).
    """
    name = column_name(value)

    @drawing(f"Median of {name} over {x} and {y}")
    def draw(panel, frame):
        table = measured(frame, value).groupby([y, x])[name].median().unstack()
        levels, heights = table.to_numpy(), range(len(table))
        if not np.isfinite(levels).any():
            raise NotMeasured(f"needs rows with {name}")
        scale = {"vmin": 0, "vmax": 1, "cmap": cmap} if cmap else {
            "cmap": diverging or style.DIVERGING, "norm": style.centred(levels, limit)
        }  # fmt: skip
        mesh = panel.pcolormesh(table.columns, heights, levels, shading="nearest", **scale)
        beyond = limit and np.nanmax(np.abs(levels)) > limit
        panel.figure.colorbar(
            mesh, ax=panel, label=label, pad=0.02, extend="both" if beyond else "neither"
        )
        if not cmap and min(table.shape) > 1 and levels.min() < contour < levels.max():
            panel.contour(table.columns, heights, levels, [contour], colors=CRITICAL, linewidths=2)
        panel.set_yticks(heights, [written(height) for height in table.index])
        panel.grid(False)
        panel.set(**axes)

    return draw


def shares(x, columns, *, palette=None, legend="", loc="best", **axes):
    """Shares of rows in which columns of zeros and ones are 1, with Wilson's 95 % intervals.

    columns   label -> column, by name or as a function of the frame. The axis x is one of
              places, each under its value; an infinite one is "none".
    """
    palette = palette or dict(zip(columns, (VANISHING, MUTED, EXPLODING), strict=False))

    @drawing(f"Share of rows by {x}: {', '.join(columns)}, with Wilson's 95 % intervals")
    def draw(panel, frame):
        steps = sorted(set(frame[x]))
        for label, column in columns.items():
            hit = read_column(column, frame).astype(float)
            known = hit.groupby(frame[x])
            parts = [wilson(known.sum()[step], known.count()[step]) for step in steps]
            middle, low, high = (list(part) for part in zip(*parts, strict=True))
            panel.plot(range(len(steps)), middle, "o-", color=palette[label], label=label)
            panel.fill_between(range(len(steps)), low, high, color=palette[label], alpha=0.2, lw=0)
        places(panel.xaxis, steps)
        panel.set(**{"ylim": (-0.03, 1.03), "ylabel": "share"} | axes)
        panel.legend(title=legend or None, loc=loc)

    return draw


def solved_by(hue=None, *, chosen=None, edge=None, palette=None, colour=CRITICAL, band=True,
              legend=None, loc="best", **axes):  # fmt: skip
    """Share of trainings solved by so many updates, with its 95 % band, a line a hue.

    Kaplan and Meier's estimate (`gradlab.suite.survival.curve`): what is not solved within its
    budget counts. band: False where many bands would hide one another. The rest as of `medians`.
    """

    @drawing("Share of trainings solved by so many updates (Kaplan-Meier)" + _each(hue))
    def draw(panel, frame):
        frame = measured(with_column(frame, hue), "solved")
        name, end = column_name(hue), float(frame.updates.max())
        shades = {None: colour} if hue is None else hues(frame, name, chosen, edge, palette)
        for value, shade in shades.items():
            found = survival.curve(frame if hue is None else frame[frame[name] == value])
            label = None if hue is None else written(value)
            lines = [np.append(line, line[-1]) for line in found[1:]]
            steps = np.append(found.updates, end)
            panel.step(steps, lines[0], where="post", color=shade, label=label)
            if band:
                panel.fill_between(steps, *lines[1:], step="post", color=shade, alpha=0.15, lw=0)
        panel.set(**{"xlabel": "updates", "ylabel": "share solved", "ylim": (-0.03, 1.03)})
        finish(panel, False, legend if legend is not None else _title(hue), loc, **axes)

    return draw


def distribution(column, hue=None, *, chosen=None, edge=None, palette=None, means=False,
                 legend=None, loc="best", **axes):  # fmt: skip
    """The share of rows whose column is above a value (seaborn's ecdfplot), a line a hue.

    means: a dot at the mean.
    """

    @drawing(f"Share of rows whose {column} is above a value" + (f", by {hue}" if hue else ""))
    def draw(panel, frame):
        known = measured(frame, column)
        for value, colour in hues(known, hue, chosen, edge, palette).items():
            here = known if hue is None else known[known[hue] == value]
            label = None if hue is None else written(value)
            sns.ecdfplot(here, x=column, complementary=True, color=colour, label=label, ax=panel)
            if means:
                middle = here[column].mean()
                panel.plot(middle, (here[column] > middle).mean(), "o", color=colour)
        finish(panel, False, legend if legend is not None else _title(hue), loc, **axes)

    return draw


def counted(column, category, hue=None, *, palette=None, **axes):
    """Shares of rows in which a column is 1, a line a category: Wilson's interval and the count.

    category   as of `categories`; hue and palette: what the lines' colours tell, else the category.
    """

    @drawing(
        f"Share of rows with {column_name(column)}, with Wilson's 95 % interval" + _each(category)
    )
    def draw(panel, frame):
        for place, here, colour in categories(
            panel, measured(frame, column), category, hue, palette
        ):
            hits, runs = here[column_name(column)].sum(), len(here)
            middle, low, high = wilson(hits, runs)
            panel.plot([low, high], [place, place], lw=7, alpha=0.3, color=colour)
            panel.plot(middle, place, "o", ms=9, color=colour)
            panel.text(1.06, place, f"{hits:.0f}/{runs}", va="center", fontsize=10, color=colour)
        panel.set(**{"xlabel": "share", "xlim": (-0.03, 1.2)} | axes)
        panel.set_xticks([0, 0.25, 0.5, 0.75, 1])

    return draw


def dots(column, category, hue=None, *, palette=None, middle=None, level=None, named=True,
         **axes):  # fmt: skip
    """A dot a row, in lines by category.

    named    False where the panel to the left names the lines.
    middle   the median and the middle so many percent in place of the dots.
    level    a value with a quiet line across; the rest as of `counted`.
    """
    shown = f"Median and middle {middle} % of " if middle else "Each row's "

    @drawing(shown + column_name(column) + _each(category))
    def draw(panel, frame):
        measured(frame, column)
        frame = with_column(frame, column)
        for place, here, colour in categories(panel, frame, category, hue, palette):
            values = here[column_name(column)].dropna()
            spread = place + min(0.1, 0.6 / (len(values) or 1)) * (
                np.arange(len(values)) - (len(values) - 1) / 2
            )
            if middle:
                low, values, high = np.percentile(values, [50 - middle / 2, 50, 50 + middle / 2])
                panel.plot([low, high], [place, place], lw=4, alpha=0.35, color=colour)
                spread = place
            panel.plot(values, spread, "o", ms=6, color=colour)
        if level is not None:
            panel.axvline(level, lw=1, color=MUTED, zorder=1)
        panel.tick_params(axis="y", labelleft=named)
        panel.set(**axes)

    return draw


def categories(panel, frame, category, hue=None, palette=None):
    """(place, rows, colour) of each category, from top to bottom; labels the axis.

    category   a column or a list of some, in the order of their values; or a function of the frame
               that gives labels, in the order of the rows.
    """
    if callable(category):
        groups = dict(iter(frame.groupby(category(frame), sort=False)))
    else:
        names = [category] if isinstance(category, str) else category
        groups = {", ".join(map(written, key)): part for key, part in frame.groupby(names)}
    panel.set_yticks(range(len(groups)), groups)
    panel.set_ylim(len(groups) - 0.5, -0.5)
    panel.tick_params(axis="y", labelcolor=CRITICAL)
    shades = hues(frame, hue, palette=palette) if hue else colours_of(list(groups), palette)
    for place, (label, here) in enumerate(groups.items()):
        yield place, here, shades[here[hue].iloc[0] if hue else label]


def hues(frame, hue, chosen=None, edge=None, palette=None):
    """value -> colour for the values of a column that are shown; {None: ink} without a hue.

    Values that span a decade or are infinite, such as lengths and thresholds, get theirs by rank;
    words in the order of the rows.
    palette: as of `colours_of`; value -> colour shows the values that it names.
    """
    if hue is None:
        return {None: CRITICAL}
    there = list(dict.fromkeys(frame[hue].dropna()))
    there = there if isinstance(there[0], str) else sorted(there)
    if isinstance(palette, dict):
        return {value: palette[value] for value in palette if value in there}
    if chosen is not None:
        there = sorted({nearest(there, value) for value in chosen})
    if palette or isinstance(there[0], str):
        return colours_of(there, palette)
    edge = edge(frame) if callable(edge) else edge
    centre = nearest(there, edge) if edge is not None else 1.0
    if there[0] > 0 and there[-1] >= 10 * there[0]:
        centre = there.index(centre) if edge is not None else -1
        return dict(zip(there, style.colours(range(len(there)), centre), strict=True))
    return dict(zip(there, style.colours(there, centre), strict=True))


def colours_of(values, palette=None):
    """value -> colour: by a dict, a function of the values that gives one, or seaborn's name."""
    if callable(palette):
        return palette(values)
    if isinstance(palette, dict):
        return {value: palette.get(value, MUTED) for value in values}
    return dict(zip(values, sns.color_palette(palette or "tab10", len(values)), strict=True))


def with_column(frame, column):
    """The frame with the column that a function of it, or an expression, stands for."""
    if column is None or (not callable(column) and column in frame):
        return frame
    return frame.assign(**{column_name(column): read_column(column, frame)})


def measured(frame, column):
    """The rows that have a column. Raises NotMeasured if there are none."""
    frame = with_column(frame, column)
    known = frame[frame[column_name(column)].notna()]
    if known.empty:
        raise NotMeasured(f"needs rows with {column_name(column)}")
    return known


def counting_infinite(frame, over, column, estimator, band):
    """A frame, an estimator and an errorbar with which seaborn counts infinite values.

    It leaves them out, as if a seed whose gradient is 0 (log10: -inf) had not been. So they go in
    as HUGE; where they decide the statistic the line has a gap.
    """
    infinite = np.isinf(frame[column].astype(float))
    frame = frame.reset_index(drop=True)  # seaborn joins by labels
    if not infinite.any() or frame[over].is_unique:  # then seaborn takes values as they are
        return frame, estimator, band

    def of(reduce):
        def reduced(values):
            found = np.asarray(reduce(values))
            return np.where(np.abs(found) < HUGE / 1e9, found, np.nan)[()]

        return reduced

    low, high = (50 - band[1] / 2, 50 + band[1] / 2) if isinstance(band, tuple) else (50, 50)
    statistic = of(estimator if callable(estimator) else lambda v: getattr(v, estimator)())
    spread = of(lambda v: np.percentile(v, [low, high])) if isinstance(band, tuple) else None
    return frame.assign(**{column: frame[column].clip(-HUGE, HUGE)}), statistic, spread


def finish(panel, decades=False, legend=None, loc="best", headroom=0.0, **axes):
    """Labels, a log10 axis by powers of ten, the legend with its title, and room for it above."""
    if decades:
        style.powers_of_ten(panel.yaxis)
    panel.set(**axes)
    if headroom:
        scale = panel.yaxis.get_transform()
        low, high = scale.transform(panel.get_ylim())
        panel.set_ylim(top=scale.inverted().transform(high + headroom * (high - low)))
    if legend != "":
        if panel.get_legend_handles_labels()[0]:
            look = legend if isinstance(legend, Mapping) else {"title": legend}
            panel.legend(**{"loc": loc} | look)
    elif panel.get_legend():
        panel.get_legend().remove()


def places(axis, values):
    """Label whole places 0, 1, ... by values; an infinite one is "none"."""
    labels = [written(value) for value in values]
    axis.set_ticks(range(len(values)), labels, rotation=45 if len(values) > 8 else 0)


def _label(label, here, value):
    if callable(label):
        return label(here)
    return label if value is None or label == "" else written(value)


def _each(hue):
    return f", a line for each {column_name(hue)}" if hue else ""


def _title(hue):
    return hue.replace("_", " ") if hue else None
