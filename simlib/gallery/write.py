"""Writes the gallery: a file for each picture, and a page that shows them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simlib.charts.animation import Animation
from simlib.charts.colours import forgotten
from simlib.charts.figures import describe, save_figure
from simlib.charts.style import style
from simlib.core.errors import SettingsError, SimlibError
from simlib.core.validation import nearest
from simlib.gallery.chart import PICTURES, Picture
from simlib.support.files import replacing
from simlib.support.progress import Progress

#: The page that shows the pictures.
PAGE = "index.html"
_STYLE = (
    "body{max-width:1280px;margin:2rem auto;padding:0 1rem;font:16px/1.5 sans-serif;"
    "color:#222;background:#fff}img{max-width:100%;height:auto;border:1px solid #ddd}"
    "code{background:#f3f3f3;padding:.1em .3em}h2{margin-top:2.5rem}"
)


@dataclass(frozen=True)
class Written:
    """A picture that was written, or why it was not."""

    picture: Picture
    #: The file; None if it was not written.
    path: Path | None
    #: What the picture shows in words, or why it is not there.
    text: str


def choose_pictures(names: Sequence[str]) -> list[Picture]:
    """Return the pictures of these names; all without any.

    Raises
    ------
    SettingsError
        If there is no picture of a name.

    Examples
    --------
    >>> [picture.name for picture in choose_pictures(["recovery"])]
    ['recovery']
    """
    known = {picture.name: picture for picture in PICTURES}
    for name in names:
        if name not in known:
            rule = f"is no picture{nearest(name, list(known))}; there are {', '.join(known)}"
            raise SettingsError("name", name, rule)
    return [known[name] for name in names] or list(PICTURES)


def write_gallery(
    folder: Path, names: Sequence[str] = (), progress: Progress = lambda *_: None
) -> list[Written]:
    """Write pictures into a folder, each whole or not at all, and then the page that shows them.

    A picture that needs a library which is not there is left out, and the page says why.
    """
    pictures = choose_pictures(names)
    written = []
    for i, picture in enumerate(pictures):
        progress(i / len(pictures), f"drawing {picture.name}")
        written.append(_write(picture, folder))
    with replacing(folder / PAGE) as temporary:
        temporary.write_text(page(written), encoding="utf-8")
    return written


def _write(picture: Picture, folder: Path) -> Written:
    try:
        with forgotten():  # a picture has the same colours whatever was drawn before it
            drawn = picture.draw()
    except SimlibError as error:
        return Written(picture, None, str(error))
    if isinstance(drawn, Animation):
        path = folder / f"{picture.name}.{drawn.kind}"
        with replacing(path) as temporary:
            temporary.write_bytes(drawn.data)
        return Written(picture, path, drawn.text)
    with style():
        path = save_figure(drawn, folder / f"{picture.name}.png")
        return Written(picture, path, describe(drawn))


def page(written: Sequence[Written]) -> str:
    """Return the page that shows what was written."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><title>simlib: gallery</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style></head><body>",
        "<h1>Gallery</h1>",
        "<p>Every chart of simlib, drawn from the scenarios that come with it.</p>",
        *map(_section, written),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _section(each: Written) -> str:
    picture, text = each.picture, html.escape(each.text, quote=True)
    head = f'<h2 id="{picture.name}">{html.escape(picture.question)}</h2>'
    code = f"<p><code>{html.escape(picture.code)}</code></p>"
    if each.path is None:
        return f"{head}\n{code}\n<p>Not drawn: {text}</p>"
    return f'{head}\n{code}\n<img src="{each.path.name}" alt="{text}" loading="lazy">'
