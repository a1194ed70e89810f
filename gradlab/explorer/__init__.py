"""The page of `gradlab explore`: sliders whose pictures are computed as they move.

state -> compute -> views: what the controls say, what follows from it, and how it is drawn. The
first two know nothing of the page's library; a view draws what it is handed and computes nothing.
"""
