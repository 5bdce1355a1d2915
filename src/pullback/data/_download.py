"""Where do the original files of a data set come from, and what can be done if they do not?"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from pullback import download
from pullback.errors import UserError

REMEDY = "set data.source to a folder or web address that holds the original files"
Result = TypeVar("Result")

fetch = partial(download.fetch, remedy=REMEDY)
verify = partial(download.verify, remedy=REMEDY)


def address(source: str, name: str) -> str:
    """Where the file `name` of `source` lies; `source` is a folder, a web address of one, or the file itself."""
    return source if source.endswith(name) else f"{source.rstrip('/')}/{name}"


def in_turn(mirrors: Sequence[str], get: Callable[[str], Result]) -> Result:
    """What `get` returns for the first mirror that serves; the last one's error where none does."""
    for mirror in mirrors[:-1]:
        try:
            return get(mirror)
        except UserError:
            continue
    return get(mirrors[-1])
