"""What went wrong that the person at the keyboard can mend?"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(ValueError):
    """A mistake in a parameter, a file or an array: one sentence that says what, which rule, and what to do.

    Stages and the command line print it without a traceback; a caller of the library gets an ordinary `ValueError`.
    """


def refused(path: object, action: str, error: OSError) -> UserError:
    """What to tell when the file system refuses: `refused("x.npy", "written", error)`."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    remedy = "make room there" if full else "mend that"
    return UserError(f"{path} could not be {action}: {error.strerror or error}; {remedy} and run again")


class _About(UserError):
    def __init__(self, key: str, told: str) -> None:
        super().__init__(f"{key}: {told}")
        self.key, self.told = key, told


@contextmanager
def about(key: str) -> Iterator[None]:
    """Puts the key of params.yaml that led into the block before the message of a `UserError` inside it.

    Within another such block the keys join: `a` around `b` gives `a.b`.
    """
    try:
        yield
    except _About as error:
        raise _About(f"{key}.{error.key}", error.told) from error
    except UserError as error:
        raise _About(key, str(error)) from error
