"""Progress bars for terminals and notebooks; elsewhere nothing is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

from simlib.core.errors import Interruption

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar

#: Called with the fraction done, and by some with a word for what is being done.
Progress = Callable[..., None]

#: In a notebook: what is over sooner shows no bar, and a bar is drawn anew so often.
_PATIENCE_S, _EVERY_S = 0.5, 0.1
_CELLS = 40
#: The time left is judged by the speed of so long: Rich's own 30 s may hold a part of one step.
_STEADY_S = 3_600.0


@contextmanager
def progress_bar(word: str) -> Iterator[Callable[..., None]]:
    """Show a bar on stderr, if it is a terminal, or in a notebook; give the function that moves it.

    The function takes the fraction done and, if it has changed, the word for what is being done.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_jupyter:
        output = _Output(word)
        try:
            yield output.move
        finally:
            output.clear()
        return
    with open_bar(console) as bar:
        task = bar.add_task(word, total=1.0)

        def move(fraction: float, word: str = word) -> None:
            bar.update(task, completed=fraction, description=word)

        yield move


def open_bar(console: Console, **settings: Any) -> Bar:
    """Return a bar that shows itself if the console is a terminal."""
    from rich.progress import Progress as Bar

    settings |= {"transient": True, "disable": not console.is_terminal}
    return Bar(console=console, speed_estimate_period=_STEADY_S, **settings)


class _Output:
    """A bar below a notebook's cell: a line of text, and empty once the work is over.

    Not Rich's own, which is a widget: when that is closed, a notebook keeps its place with
    ``Output()``, or an error where nobody knows the widget any more.
    """

    def __init__(self, word: str) -> None:
        self._word = word
        self._next_s = monotonic() + _PATIENCE_S
        self._handle: Any = None

    def move(self, fraction: float, word: str = "") -> None:
        now_s = monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + _EVERY_S
        done = round(_CELLS * min(1.0, max(0.0, fraction)))
        line = "\u2588" * done + "\u2591" * (_CELLS - done)
        self._show(f"{line} {100 * fraction:3.0f} %  {word or self._word}")

    def clear(self) -> None:
        if self._handle is not None:
            self._show("")

    def _show(self, text: str) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(  # type: ignore[no-untyped-call]
                {"text/plain": text}, raw=True, display_id=True
            )
        else:
            self._handle.update({"text/plain": text}, raw=True)


@contextmanager
def show_progress(progress: Progress | None, word: str) -> Iterator[Progress]:
    """Yield the progress callback: the caller's, or a bar's.

    Raises
    ------
    Interruption
        If Ctrl-C is pressed meanwhile.

    Examples
    --------
    >>> with show_progress(print, "counting") as move:
    ...     move(0.5)
    0.5
    """
    try:
        if progress is not None:
            yield progress
        else:
            with progress_bar(word) as move:
                yield move
    except KeyboardInterrupt:
        raise Interruption(f"{word} was stopped before its end.") from None
