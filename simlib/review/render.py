"""A review as HTML and as Markdown."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from math import isfinite
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from simlib.charts.figures import describe, svg_text
from simlib.charts.style import style
from simlib.metrics.markdown import escape_markdown, markdown_table
from simlib.review.chart import policy_colours
from simlib.review.document import (
    BulletList,
    ChartBlock,
    Code,
    Content,
    DataTable,
    Document,
    Paragraph,
)
from simlib.review.grid import NUMBERS, Grid, say_value
from simlib.review.question import AS_GIVEN

#: Inks of the style sheet, and the page's own in their place: so charts follow its dark theme.
_INKS = {
    "#000000": "var(--ink)",
    "#333333": "var(--ink)",
    "#555555": "var(--muted)",
    "#888888": "var(--muted)",
    "#dddddd": "var(--grid)",
    "#ffffff": "var(--paper)",
    "#0072b2": "var(--blue)",
    "#009e73": "var(--green)",
    "#cc79a7": "var(--pink)",
    "#56b4e9": "var(--sky)",
    "#d55e00": "var(--red)",
    "#e69f00": "var(--amber)",
}
_INK = re.compile("|".join(_INKS), re.IGNORECASE)
_TOGETHER = re.compile(r"\d %|\([\d.,]+ to [\d.,]+\)")
_ID = re.compile(r' id="([^"]+)"')


def render_html(document: Document, grid: Grid | None, generator: str) -> str:
    """Return the review as one HTML document that needs nothing else."""
    environment = _environment(autoescape=True)
    environment.filters["together"] = keep_together
    macros: Any = environment.get_template("blocks.html.j2").module
    drawn: dict[type, Callable[[Any], str]] = {
        Paragraph: macros.paragraph,
        BulletList: macros.points,
        DataTable: macros.table,
        ChartBlock: lambda block: macros.chart(block, draw_svg(block)),
        Code: macros.code,
    }
    return environment.get_template("review.html.j2").render(
        document=document,
        grid=None if grid is None else Markup(grid_json(grid)),
        css=Markup(_text("review.css")),
        script=Markup(_plots() + _text("review.js")),
        generator=generator,
        render=lambda block: drawn[type(block)](block),
    )


def render_markdown(document: Document, folder: str, generator: str) -> str:
    """Return the review as Markdown, with its charts in a folder beside it."""
    environment = _environment(autoescape=False)
    environment.filters["md"] = escape_markdown
    text = environment.get_template("review.md.j2").render(
        document=document,
        generator=generator,
        render=lambda block: _markdown(block, folder),
    )
    return text.rstrip() + "\n"


def keep_together(text: str) -> str:
    r"""Return a text in which no line ends between a number and its %, or inside an interval.

    Examples
    --------
    >>> keep_together("86 % (35 to 100), alone 61 %").split(" ")
    ['86\xa0%', '(35\xa0to\xa0100),', 'alone', '61\xa0%']
    """
    return _TOGETHER.sub(lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), str(text))


def _environment(autoescape: bool) -> Environment:
    return Environment(
        loader=PackageLoader("simlib.review"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=False,
        keep_trailing_newline=True,
    )


def _plots() -> str:
    return (files("simlib.support") / "plots.js").read_text(encoding="utf-8")


def _text(name: str) -> str:
    return (files("simlib.review") / "templates" / name).read_text(encoding="utf-8")


# --- charts ------------------------------------------------------------------------------


def draw_svg(block: ChartBlock) -> str:
    """Return a chart as SVG to stand inside a page: with its words, in the page's own inks."""
    with style():
        svg = svg_text(block.figure)
    svg = _INK.sub(lambda match: _INKS[match[0].lower()], svg)
    words = html.escape(f"{block.title}. {describe(block.figure)}", quote=True)
    svg = _own_names(svg, block.name)
    size = re.search(r'viewBox="[^"]+"', svg)
    assert size is not None
    body = svg[svg.index(">") + 1 :]
    names = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {names} {size[0]} role="img" aria-label="{words}">{body}'


def _own_names(svg: str, name: str) -> str:
    """Return SVG whose ids are its own: a page has many, and an id must stand once in it."""
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))

    def rename(match: re.Match[str]) -> str:
        return f' id="{name}-{match[1]}"' if match[1] in used else ""

    svg = _ID.sub(rename, svg)
    return re.sub(r'(url\(#|href="#)([^)"]+)', rf"\g<1>{name}-\g<2>", svg)


# --- the grid ----------------------------------------------------------------------------


def grid_json(grid: Grid) -> str:
    """Return the grid for the script of the page; nothing in it can end the script's element."""
    colours = policy_colours(grid.policies)
    points = []
    for point in grid.points:
        values = asdict(point)
        values["numbers"] = [_plain(point.numbers[name]) for name in NUMBERS]
        values["load"] = [_plain(each) for each in point.load]
        values["back_s"] = [_plain(each, 2) for each in point.back_s]
        values["limit_per_s"] = _plain(point.limit_per_s)
        points.append(values)
    whole = {
        "axes": [
            {
                "label": axis.label,
                "slug": _slug(axis.key),
                "values": list(axis.values),
                "said": [say_value(axis.key, value) for value in axis.values],
            }
            for axis in grid.axes
        ],
        "policies": list(grid.policies),
        "colours": [_INKS.get(colours[name].lower(), colours[name]) for name in grid.policies],
        "headings": list(NUMBERS.values()),
        "given": list(grid.given_place),
        "given_policy": AS_GIVEN,
        "points": points,
    }
    text = json.dumps(whole, separators=(",", ":"), allow_nan=False, default=str)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _slug(key: str) -> str:
    """Return the name of an axis in an address."""
    return key.removesuffix("_s").rpartition(".")[2]


def _plain(value: float, digits: int = 3) -> float | None:
    if not isfinite(value):
        return None
    rounded = round(value, digits)
    return int(rounded) if rounded == int(rounded) else rounded


# --- Markdown ----------------------------------------------------------------------------


def _markdown(block: Content, folder: str) -> str:
    if isinstance(block, Paragraph):
        return escape_markdown(block.text)
    if isinstance(block, BulletList):
        return "\n".join(f"- {escape_markdown(item)}" for item in block.items)
    if isinstance(block, DataTable):
        return _markdown_table(block)
    if isinstance(block, ChartBlock):
        words = escape_markdown(f"{block.title}. {describe(block.figure)}")
        return f"**{escape_markdown(block.title)}**\n\n![{words}]({folder}/{block.name}.png)"
    # Longer than any that stands in the text, which so cannot end it.
    longest = max(map(len, re.findall(r"`+", block.text)), default=0)
    fence = "`" * max(3, longest + 1)
    caption = f"{escape_markdown(block.caption)}:\n\n" if block.caption else ""
    return f"{caption}{fence}{block.language}\n{block.text.rstrip()}\n{fence}"


def _markdown_table(table: DataTable) -> str:
    rows = markdown_table(table.heading, table.rows, table.numbers_from)
    return f"{escape_markdown(table.caption)}:\n\n{rows}"
