"""The colours of curves: a label keeps its colour in every chart of a process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

#: Okabe and Ito's colours: live stands out, whatever it is drawn over.
LIVE_COLOURS = ("#D55E00", "#E69F00", "#000000")
OTHER_COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#000000", "#E69F00")
#: Curves are told apart by their dashes too: in grey, or by whoever does not see the colours.
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))
#: Labels that many charts have, in one notebook and the next.
_USUAL = {
    "no jitter": OTHER_COLOURS[0],
    "full jitter": OTHER_COLOURS[1],
    "equal jitter": OTHER_COLOURS[2],
    "decorrelated jitter": OTHER_COLOURS[3],
}
_given: dict[str, str] = {}


def colours_of(labels: Sequence[str]) -> list[str]:
    """Return a colour for each curve of a chart, and remember it with the curve's label.

    A label that was drawn before has the colour that it had, unless another curve of the chart has
    it already; a new one has a colour that no label has yet, while there are any. Curves without a
    label ("") take what is free, in the palette's order.

    Examples
    --------
    >>> with forgotten():
    ...     colours_of(["full jitter", "mine"]), colours_of(["mine"])
    (['#009E73', '#0072B2'], ['#0072B2'])
    """
    chosen: dict[int, str] = {}
    for i, label in enumerate(labels):
        if label in _given and _given[label] not in chosen.values():
            chosen[i] = _given[label]
    for i, label in enumerate(labels):
        if i not in chosen:
            chosen[i] = _new(label, [*chosen.values()], i)
            if label:
                _given.setdefault(label, chosen[i])
    return [chosen[i] for i in range(len(labels))]


def _new(label: str, taken: Sequence[str], place: int) -> str:
    free = [colour for colour in OTHER_COLOURS if colour not in taken]
    if not free:
        return OTHER_COLOURS[place % len(OTHER_COLOURS)]
    if _USUAL.get(label) in free:
        return _USUAL[label]
    fresh = [colour for colour in free if colour not in _given.values()]
    return (fresh if label and fresh else free)[0]


@contextmanager
def forgotten() -> Iterator[None]:
    """Draw as if nothing had been drawn before: a file does not depend on the charts before it."""
    before = dict(_given)
    _given.clear()
    try:
        yield
    finally:
        _given.clear()
        _given.update(before)
