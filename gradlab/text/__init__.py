"""Words and chords: treebanks, running text and chorales as integers, and what a count predicts.

Nothing here knows a network: what comes out are arrays, time first, and numbers to compare with.
"""
