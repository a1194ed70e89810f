"""The race: this project's work timed against its users' alternatives, on the same arrays."""
