"""How far long work is: a bar in a terminal or a notebook, nothing anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Called with the fraction done, and by some with a word for what is being done.
Progress = Callable[..., None]


@contextmanager
def progress_bar(word: str) -> Iterator[Callable[..., None]]:
    """Show a bar on stderr, if it is a terminal, or in a notebook; give the function that moves it.

    The function takes the fraction done and, if it has changed, the word for what is being done.
    """
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    seen = console.is_terminal or console.is_jupyter
    with Bar(console=console, transient=True, disable=not seen) as bar:
        task = bar.add_task(word, total=1.0)

        def move(fraction: float, word: str = word) -> None:
            bar.update(task, completed=fraction, description=word)

        yield move


@contextmanager
def shown(progress: Progress | None, word: str) -> Iterator[Progress]:
    """Give what is told the progress: the caller's own function, or a bar's.

    Examples
    --------
    >>> with shown(print, "counting") as move:
    ...     move(0.5)
    0.5
    """
    if progress is not None:
        yield progress
        return
    with progress_bar(word) as move:
        yield move
