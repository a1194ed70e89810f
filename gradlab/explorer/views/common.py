"""What the views share: a figure in the house style, colours, axes of decades."""

import numpy as np
from bokeh.models import CustomJSTickFormatter, DataRange1d, Range1d
from bokeh.plotting import figure

from gradlab.plots.palette import EXPLODING, MUTED, VANISH_EXPLODE, VANISHING

HEIGHT = 300  # pixels
WARM, COOL, QUIET = EXPLODING, VANISHING, MUTED
LARGEST, SMALLEST = 1e38, 1e-37  # what crosses to the browser is float32
AMBER = "#c77f1f"  # a threshold, a mark: neither cool nor warm
POWERS = """
const high = '\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079';
if (tick == 0) { return '1'; }
if (tick % 1) { return (10 ** tick).toPrecision(2); }
const digits = String(Math.abs(tick)).replace(/\\d/g, d => high[d]);
return '10' + (tick < 0 ? '\u207b' : '') + digits;
"""


LEVELS = 255  # of the map from what has vanished to what has exploded: a byte each


def _palette():
    anchors = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in VANISH_EXPLODE]
    at = np.linspace(0, len(anchors) - 1, LEVELS)
    channels = [np.interp(at, range(len(anchors)), channel) for channel in np.transpose(anchors)]
    return ["#{:02x}{:02x}{:02x}".format(*map(round, rgb)) for rgb in np.transpose(channels)]


PALETTE = _palette()


def plot(xlabel, ylabel, label, **options):
    """An empty figure that fills its place; label: what a screen reader says of it."""
    for axis in ("x_range", "y_range"):
        options.setdefault(axis, Range1d(0, 1))
    made = figure(
        height=options.pop("height", HEIGHT), sizing_mode="stretch_width",
        x_axis_label=xlabel, y_axis_label=ylabel,
        tools="pan,wheel_zoom,reset,save", active_scroll=None, min_border=4,
        background_fill_color=None, border_fill_color=None, outline_line_color=None,
        lod_threshold=None, **options,
    )  # fmt: skip
    made.toolbar.logo = None
    made.toolbar.autohide = True
    made.name = label
    for axis in made.axis:
        axis.axis_label_text_font_style = "normal"
        axis.axis_line_color = axis.major_tick_line_color = MUTED
        axis.minor_tick_line_color = None
    return made


def fitting():
    """Ranges that follow what is drawn."""
    return {"x_range": DataRange1d(), "y_range": DataRange1d()}


def columns(source, **arrays):
    """What a view's source becomes: (model, {property: value})."""
    plain = {
        name: array.astype(np.float32)
        if isinstance(array, np.ndarray) and array.dtype.kind in "fi"
        else array
        for name, array in arrays.items()
    }
    return source, {"data": plain}


def drawable(values, low=-LARGEST):
    """The values; nan, which is not drawn, for those that a float32 does not hold or below low."""
    return np.where((values >= low) & (values <= LARGEST), values, np.nan)


def limits(axis, start, end):
    """What a range becomes."""
    return axis, {"start": float(start), "end": float(end)}


def round_limits(low, high):
    """Round numbers outside of low and high: an axis that seldom moves is seldom laid out anew."""
    step = 10.0 ** np.floor(np.log10(max(high - low, 1e-9))) / 2
    return np.floor(low / step) * step, np.ceil(high / step) * step


def decades(axis):
    """Label an axis whose data are log10 values by powers of ten."""
    axis.formatter = CustomJSTickFormatter(code=POWERS)


def shade(log10):
    """Cool for what has become small, warm for what has grown."""
    return WARM if log10 > 0 else COOL
