"""f'(a) of each activation, as a function of the state h = f(a)."""

SLOPES = {
    "identity": lambda h: 0 * h + 1,
    "relu": lambda h: (h > 0) * 1.0,
    "sigmoid": lambda h: h * (1 - h),
    "tanh": lambda h: 1 - h * h,
}
