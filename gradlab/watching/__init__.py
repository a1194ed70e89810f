"""`gradlab watch`: what a log of gradient norms says of a training and of its clipping threshold.

sources -> log -> statistics, thresholds -> report, figure: a file's columns, one training's updates
in their order, the numbers, and the words. `lines`, `parquet` and `events` read one kind of file
each; a source may grow, and is read on from where it ended.
"""
