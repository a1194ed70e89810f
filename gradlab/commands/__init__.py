"""One command a file: what it does in a line (TEXT), the keys of its JSON if it has one (KEYS),
its arguments, and `command(options)`."""
