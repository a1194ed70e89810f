"""A laboratory for the gradients of recurrent neural networks."""
