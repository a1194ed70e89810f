"""Parts of speech by a recurrent network: words, their embedding, a cell, a tag for each word.

Joins `gradlab.text`, which knows no network, with the networks and their training.
"""
