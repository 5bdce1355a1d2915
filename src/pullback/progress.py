"""How far is a long piece of work? A bar on the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(title: str, total: int, *, shown: bool = True) -> Iterator[Callable[[int, str], None]]:
    """A bar that is told by calls of (how many of `total` so far, a few words); silent unless on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.fields[title]}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal)) as display:
        task = display.add_task("", total=total, title=title)
        yield lambda done, words: display.update(task, completed=done, description=words)
