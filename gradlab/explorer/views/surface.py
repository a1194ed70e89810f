"""A single unit's error surface, with a descent into its cliff, clipped and not."""

import math

import numpy as np
from bokeh.models import ColumnDataSource, LinearColorMapper

from gradlab.explorer.views import common

NEEDS = "surface"
TITLE = "One unit's error surface: descent without clipping (warm), clipped (cool)"
FORMULA = (
    "x_{t+1} = w sigmoid(x_t) + b, E = (sigmoid(x_50) - 0.7)^2 over w and b; dark is low. "
    "Where the unit's regime changes stands a wall: its gradient throws a step far away "
    "unless it is clipped."
)
SOURCE = "Pascanu, Mikolov, Bengio (ICML 2013), Fig. 6; `gradlab show cliff`"
LOWEST = -6.0  # decades of E


class View:
    """The surface once, the descents each time."""

    def __init__(self):
        self.figure = common.plot("w", "b", TITLE)
        self.image = ColumnDataSource({n: [] for n in ("image", "x", "y", "dw", "dh")})
        self.figure.image(
            "image", "x", "y", "dw", "dh", source=self.image,
            color_mapper=LinearColorMapper(palette="Greys256", low=0, high=255),
        )  # fmt: skip
        self.descents = {}
        for color in (common.WARM, common.COOL):
            source = ColumnDataSource({"w": [], "b": []})
            self.figure.line("w", "b", source=source, color=color, line_width=2)
            self.figure.scatter("w", "b", source=source, color=color, size=5)
            self.descents[color] = source
        self.figure.grid.visible = False

    def draw(self, surface):
        """A `Surface`."""
        w, b = surface.w, surface.b
        level = (255 * np.clip(surface.log10 / -LOWEST + 1, 0, 1)).round().astype(np.uint8)
        size = {"x": [w[0]], "y": [b[0]], "dw": [w[-1] - w[0]], "dh": [b[-1] - b[0]]}
        return [
            common.columns(self.image, image=[level], **size),
            common.limits(self.figure.x_range, w[0], w[-1]),
            common.limits(self.figure.y_range, b[0], b[-1]),
            *(
                common.columns(source, w=path[0], b=path[1])
                for source, path in zip(self.descents.values(), _paths(surface), strict=True)
            ),
        ]


def _paths(surface):
    """(w, b) of the descent without clipping, and of the clipped one, which may be missing."""
    clipped = [path for c, path in surface.descents.items() if not math.isinf(c)]
    return surface.descents[math.inf], *(clipped or [np.empty((2, 0))])
