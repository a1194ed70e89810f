"""One command a file: what it does in a line (TEXT), its arguments, and `command(options)`."""
