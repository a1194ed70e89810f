"""The house's colours: cool ones vanish, warm ones explode, ink is the edge between them."""

VANISHING = "#1f6fb2"
EXPLODING = "#d1483a"
CRITICAL = "#22252b"
MUTED = "#6b7079"
# From what has vanished to what has exploded, white between.
VANISH_EXPLODE = (
    "#0b2f5b", "#1f6fb2", "#8fc1e3", "#f7f5f2", "#f3b391", "#d1483a", "#6d1021",
)  # fmt: skip
