"""What went wrong that the person at the keyboard can mend."""


class UserError(ValueError):
    """A mistake in a parameter, a file or an array: one sentence that says what, which rule, and what to do.

    Stages and the command line print it without a traceback; a caller of the library gets an ordinary `ValueError`.
    """
