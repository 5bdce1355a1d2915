"""What went wrong that the person at the keyboard can mend."""

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(ValueError):
    """A mistake in a parameter, a file or an array: one sentence that says what, which rule, and what to do.

    Stages and the command line print it without a traceback; a caller of the library gets an ordinary `ValueError`.
    """


@contextmanager
def about(key: str) -> Iterator[None]:
    """Puts the key of params.yaml that led into the block before the message of a `UserError` inside it."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{key}: {error}") from error
