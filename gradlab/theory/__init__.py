"""What mathematics predicts for gradients, with no network: eigenvalues, bounds, mean field.

gradlab.theory.dynamics has dynamical systems, Euler's method and the oscillator.
"""

from gradlab.theory.bounds import eigenvalue_rate, singular_bound, weight_gain
from gradlab.theory.mean_field import (
    ACTIVATIONS,
    critical_gain,
    critical_gain_driven,
    exponents,
    gradient_scale,
    largest_exponent,
    mean_exponent,
    stationary_variance,
    variances,
)
from gradlab.theory.spectra import dimension, entropy, spectrum

__all__ = [
    "ACTIVATIONS",
    "critical_gain",
    "critical_gain_driven",
    "dimension",
    "eigenvalue_rate",
    "entropy",
    "exponents",
    "gradient_scale",
    "largest_exponent",
    "mean_exponent",
    "singular_bound",
    "spectrum",
    "stationary_variance",
    "variances",
    "weight_gain",
]
