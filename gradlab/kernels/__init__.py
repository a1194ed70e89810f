"""Compiled primitives: what a cell's two loops are made of, and the passes around them."""
