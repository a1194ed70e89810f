"""What can go wrong around a sweep, and what becomes of its results: one file a row of the table.

python tests/faults/run.py [ROW ...] [--full]
"""
