"""`gradlab inspect`: what the gradient does in somebody's own model, why, and what would help.

inputs, the network -> spectra, jacobians, units, targets -> chains -> report, figure: numbers of
each layer and direction first, words last. `window` says how far back truncated backpropagation
must reach, `rules` holds other people's rules of thumb against the numbers, `remedies` tries what
would help.
"""
