"""The house's colours: cool ones vanish, warm ones explode, ink is the edge between them."""

VANISHING = "#1f6fb2"
EXPLODING = "#d1483a"
CRITICAL = "#22252b"
MUTED = "#6b7079"
