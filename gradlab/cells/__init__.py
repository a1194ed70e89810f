"""All that is compiled: the cells' forward and backward loops and the sums over their steps."""
