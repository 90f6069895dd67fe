"""The command that draws every chart from the shipped scenarios: gallery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from simlib.cli.app import examples, main, with_json
from simlib.cli.output import check_writable, json_text, print_note
from simlib.support.progress import progress_bar


@main.command(epilog=examples("gallery", "gallery attempts recovery --out out/charts"))
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("out/gallery"),
    show_default=True,
    help="Folder for the pictures and the page that shows them.",
)
@with_json
def gallery(names: Sequence[str], out: Path, as_json: bool) -> None:
    """Draw every chart from the scenarios that come with simlib, or those of some NAMEs.

    The folder gets a PNG for each, an animation, and index.html, which shows them all. All of them
    take a few minutes: one needs a live run of 15 s, some need a study.
    """
    from simlib.gallery.write import PAGE, choose_pictures, write_gallery

    choose_pictures(names)  # an unknown name is known before anything is played
    check_writable(out)
    with progress_bar("drawing") as progress:
        written = write_gallery(out, names, progress)
    if as_json:
        document = [
            {"name": each.picture.name, "file": each.path and str(each.path), "text": each.text}
            for each in written
        ]
        click.echo(json_text({"pictures": document}), nl=False)
    else:
        for each in written:
            if each.path is not None:
                click.echo(each.path)
    for each in written:
        if each.path is None:
            print_note(f"Not drawn: {each.picture.name}: {each.text}")
    print_note(f"Open {out / PAGE}.")
