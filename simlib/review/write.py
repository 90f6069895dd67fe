"""The files of a review: HTML, its twin in Markdown, a folder of charts and tables, a PDF."""

from __future__ import annotations

import csv
import shutil
import subprocess
import tempfile
from io import StringIO
from pathlib import Path

from simlib.charts.figures import save_figure
from simlib.core.errors import SettingsError, SimlibError
from simlib.review.document import DataTable, Document
from simlib.review.grid import Grid
from simlib.review.render import render_html, render_markdown
from simlib.support.files import replacing

_MARK = '<meta name="generator" content="simlib '
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "microsoft-edge")
_PDF_TIMEOUT_S = 120


def check_target(out: Path, pdf: bool = False) -> None:
    """Refuse a file that no review may be written to, before anything is played.

    Raises
    ------
    SettingsError
        If it is no HTML file, cannot be written, or it or one of the files and folders beside it
        was not made by simlib.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise SettingsError("out", str(out), "must end in .html, as review.html does")
    if out.is_dir():
        raise SettingsError("out", str(out), "is a folder: name a file in it")
    if out.exists() and not _is_review(out):
        rule = "is there already, and no review of simlib: name another file, or take it away"
        raise SettingsError("out", str(out), rule)
    folder = out.with_suffix("")
    if not out.exists():
        _check_beside(out, pdf)
    elif folder.exists() and not folder.is_dir():
        raise _refuse_beside(out, folder)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for place in (out.parent, folder):
            if place.is_dir():
                with tempfile.TemporaryFile(dir=place):
                    pass
    except OSError as error:
        raise SettingsError("out", str(out), f"cannot be written: {error.strerror}") from error


def _is_review(file: Path) -> bool:
    """Whether a file is an earlier review: such a one is written anew."""
    if not file.is_file():
        return False
    with file.open(encoding="utf-8", errors="replace") as opened:
        return _MARK in opened.read(2000)


def _check_beside(out: Path, pdf: bool) -> None:
    """Refuse to write over what stands beside a new review: README.html has a README.md there."""
    folder = out.with_suffix("")
    files = [out.with_suffix(".md"), *([out.with_suffix(".pdf")] if pdf else [])]
    taken = [file for file in files if file.exists()]
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        taken.append(folder)
    if taken:
        raise _refuse_beside(out, taken[0])


def _refuse_beside(out: Path, taken: Path) -> SettingsError:
    rule = f"would write over {taken}, which is there already: name another file, or take that away"
    return SettingsError("out", str(out), rule)


def write_document(document: Document, grid: Grid | None, out: Path) -> list[Path]:
    """Write a review and its twins; return their paths.

    Each file lands whole or not at all. Charts are written as PNG and SVG, tables as CSV.
    """
    from simlib import __version__

    folder = out.with_suffix("")
    generator = f"simlib {__version__}"
    # First: what stands beside an earlier review is the review's, and may be written anew.
    files = [_write(out, render_html(document, grid, generator))]
    markdown = render_markdown(document, folder.name, generator)
    files.append(_write(out.with_suffix(".md"), markdown))
    folder.mkdir(parents=True, exist_ok=True)
    for chart in document.charts:
        files += [
            save_figure(chart.figure, folder / f"{chart.name}.{kind}") for kind in ("png", "svg")
        ]
    files += [_write(folder / f"{table.name}.csv", _csv(table)) for table in document.tables]
    return files


def write_pdf(out: Path) -> Path:
    """Print a review to a PDF beside it by a headless browser; return its path.

    Raises
    ------
    SimlibError
        If there is no Chromium, or it fails.
    """
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        raise SimlibError(
            "a PDF needs Chromium or Chrome, and none was found: open the HTML file in any browser "
            "and print it there"
        )
    pdf = out.with_suffix(".pdf")
    with tempfile.TemporaryDirectory() as profile, replacing(pdf) as temporary:
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
            f"--user-data-dir={profile}", f"--print-to-pdf={temporary}", out.resolve().as_uri(),
        ]  # fmt: skip
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_PDF_TIMEOUT_S)
        except (OSError, subprocess.SubprocessError) as error:
            raise SimlibError(f"{browser} could not print the review: {error}") from error
        if not temporary.stat().st_size:
            raise SimlibError(f"{browser} printed nothing")
    return pdf


def _csv(table: DataTable) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.heading)
    writer.writerows(table.rows)
    return text.getvalue()


def _write(file: Path, text: str) -> Path:
    with replacing(file) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return file
