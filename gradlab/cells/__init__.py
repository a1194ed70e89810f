"""The cells: each is a forward and a backward loop on one page."""
