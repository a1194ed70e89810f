"""Errors that the user can mend; the command line prints them as one line."""


class UserError(ValueError):
    """Wrong input: the message is one line that says what was given and what would be right."""
