"""How Sphinx builds the documents (`make docs`). Files of the repository are shown, not copied."""

import dataclasses
import posixpath
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import click  # noqa: E402

import simlib  # noqa: E402 - it is found through the line before
from simlib.cli import main  # noqa: E402
from simlib.metrics.meaning import MEANING  # noqa: E402

project = "simlib"
version = release = simlib.__version__
extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
nitpicky = True  # a link to nowhere is a warning, and `make docs` ends at warnings
default_role = "py:obj"  # `names` in docstrings link to what has a page here
nitpick_ignore_regex = [("py:obj", ".*")]  # and are code where nothing has

html_theme = "furo"
html_title = "simlib"
pygments_dark_style = "github-dark"
html_static_path = ["_static"]
html_css_files = ["simlib.css"]
html_show_copyright = False
html_show_sourcelink = False

myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the sections of numpydoc say the types in words
numpydoc_show_class_members = False  # autodoc shows them

#: Pages that are files of the repository: shown from where they are, so that there is no copy.
SHOWN = {
    "index": "README.md",
    "glossary": "GLOSSARY.md",
    "contributing": "CONTRIBUTING.md",
    "security": "SECURITY.md",
    "changes": "CHANGELOG.md",
    "design": "simlib/README.md",
    "data": "data/README.md",
    "notebooks": "notebooks/README.md",
}


def show(app, docname, source):
    """Put a file of the repository, or a list from the code, where a page asks for it."""
    if docname in SHOWN:
        file = ROOT / SHOWN[docname]
        after = source[0].partition("\n\n")[2]
        source[0] = relinked(file.read_text(encoding="utf-8"), SHOWN[docname]) + "\n" + after
        app.env.note_dependency(str(file))
    for name, text in (("metrics", metrics), ("commands", commands)):
        if f"{{{{ {name} }}}}" in source[0]:
            source[0] = source[0].replace(f"{{{{ {name} }}}}", text())


def relinked(text: str, file: str) -> str:
    """Return a file's text with its links as they must be in `docs/`."""
    pages = {shown: f"{page}.md" for page, shown in SHOWN.items()}

    def link(found: re.Match[str]) -> str:
        target, hash_, anchor = found[1].partition("#")
        if not target or "://" in target:
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(file), target))
        return f"]({pages.get(path) or posixpath.relpath(path, 'docs')}{hash_}{anchor})"

    return re.sub(r"\]\(([^)\s]+)\)", link, text)


def metrics() -> str:
    """Return the table of all metrics."""
    rows = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in MEANING.items())
    return f"| metric | meaning |\n| --- | --- |\n{rows}"


def commands() -> str:
    """Return the help of every command, those of groups too."""
    return "\n\n".join(_helps(main, ["simlib"]))


def _helps(command, names):
    context = command.make_context(names[-1], ["--help"], resilient_parsing=True)
    context.info_name = " ".join(names)
    if len(names) > 1:
        yield f"## {' '.join(names[1:])}\n\n```text\n{command.get_help(context)}\n```"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from _helps(command.get_command(context, name), [*names, name])


def shorten(app, what, name, thing, options, signature, returns):
    """Leave out the signature of settings: their fields stand below, each with its default."""
    return ("", None) if what == "class" and dataclasses.is_dataclass(thing) else None


def setup(app):
    """Connect the functions above; Sphinx calls this."""
    app.connect("source-read", show)
    app.connect("autodoc-process-signature", shorten)
