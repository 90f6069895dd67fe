"""Write a design review: policies compared in scenarios, with a recommendation, as one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simlib.core.card import Card, ShowsCard
from simlib.core.errors import SettingsError, SimlibError
from simlib.core.settings import Settings
from simlib.experiments.bound_words import bounds_in_words
from simlib.metrics.words import join_words
from simlib.review.document import Document, Section
from simlib.review.grid import grid_axes, play_grid
from simlib.review.material import Material
from simlib.review.question import ReviewQuestion, frame_question, say_policy
from simlib.review.recommendation import Recommendation
from simlib.review.results import play_question
from simlib.review.sections.agreement import write_agreement
from simlib.review.sections.assumptions import write_assumptions
from simlib.review.sections.bounds import write_bounds
from simlib.review.sections.client import write_client
from simlib.review.sections.limits import describe_limits, write_limits
from simlib.review.sections.load import write_load
from simlib.review.sections.messages import write_messages
from simlib.review.sections.recovery import write_recovery
from simlib.review.sections.reproduce import write_reproduce
from simlib.review.sections.sensitivity import write_sensitivity
from simlib.review.sections.settings import write_settings
from simlib.review.sections.story import write_story
from simlib.review.sections.users import write_users
from simlib.review.side_studies import find_sensitivity, play_side_live
from simlib.review.write import check_target, write_document, write_pdf
from simlib.scenario.scenario import Scenario
from simlib.support.arguments import check_arguments
from simlib.support.made_by import current_command
from simlib.support.progress import Progress, show_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simlib.lab.observe.observation import Observation

#: What part of the whole each step takes, about.
_PARTS = {"policies": 0.4, "grid": 0.35, "sensitivity": 0.1, "live": 0.15}


@dataclass(frozen=True, repr=False)
class Report(ShowsCard):
    """A review that was written.

    Attributes
    ----------
    answer : tuple of str
        The recommendation, in sentences.
    recommended : str
        The name of the policy to ship; empty: no policy keeps every bound.
    missing : dict
        Parts that could not be written, by title, and why.
    failed : tuple of str
        The titles of those of them that somebody had asked for.
    files : tuple of Path
        What was written, the HTML file first.
    """

    title: str
    answer: tuple[str, ...]
    recommended: str
    missing: dict[str, str]
    failed: tuple[str, ...]
    files: tuple[Path, ...]

    def card(self) -> Card:
        """Return what is shown: the recommendation, and where the review is."""
        rows = tuple((f"not written: {title}", why) for title, why in self.missing.items())
        return Card(
            self.title, rows, notes=(f"Written to {self.files[0]}",), lead=" ".join(self.answer)
        )


_NOTHING_TO_VARY = (
    "The scenario has no fault of some length and too few clients for other sizes: "
    "name what to vary, with --vary KEY=A,B."
)


@check_arguments
def report(
    scenarios: Scenario | Sequence[Scenario],
    against: Mapping[str, Settings | str] | Sequence[str] = (),
    *,
    out: str | Path = "review.html",
    objectives: Sequence[str] = (),
    vary: Mapping[str, Sequence[Any]] | None = None,
    live: bool = False,
    observation: Observation | None = None,
    replications: int = 20,
    on: str | None = None,
    pdf: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> Report:
    """Compare reconnect policies in scenarios and write a design review.

    Parameters
    ----------
    scenarios : Scenario or sequence of Scenario
        Where policies are played; their own policy is "as given". The grid, the story and the live
        run are of the first one.
    against : mapping or sequence of str
        The other policies: by name settings of a client or ``preset:NAME``, or a list of presets.
    out : path
        The HTML file; ``review.md`` and a folder ``review`` with charts and tables stand beside it.
    objectives : sequence of str
        Bounds that must hold, such as ``time_to_recover_s_p95 <= 15``.
    vary : mapping, optional
        What the reader can change in the file: values by setting; ``outage_s`` and ``clients`` are
        the usual ones.
    live : bool
        Whether the recommended policy is also played on real WebSockets, and compared.
    observation : Observation, optional
        What a real client did, to be told beside the policies.
    replications : int
        Runs of each policy in each scenario.
    on : {"sim", "fleet"}, optional
        The engine; by default the fleet if it can play everything.
    pdf : bool
        Whether a PDF is printed too, by a headless Chromium.
    command : str, optional
        The command that makes this review; by default the call in Python.
    progress : callable, optional
        Called with the fraction done; by default a bar, in a terminal and in a notebook.

    Returns
    -------
    Report
        The recommendation, the files, and what could not be written.

    Raises
    ------
    SettingsError
        If something asked for cannot be, or the file is somebody else's.

    Examples
    --------
    >>> sl.report(scenario, ["phoenix"], objectives=["lost <= 0"])  # doctest: +SKIP
    """
    target = Path(out)
    check_target(target, pdf)
    asked = (scenarios,) if isinstance(scenarios, Scenario) else tuple(scenarios)
    others = against if isinstance(against, Mapping) else _policies_by_name(against)
    question = frame_question(asked, others, objectives, replications, on)
    axes = grid_axes(question, vary)
    steps = {"policies": True, "grid": bool(axes), "sensitivity": True, "live": live}
    with show_progress(progress, "playing the policies") as move:
        shares = _shares(steps, move)
        results = play_question(question, None, shares["policies"])
        material = Material(results, Recommendation(results), command=command or current_command())
        with note_failure(material, "limits"):
            if axes:
                grid = play_grid(question, axes, shares["grid"])
                material = replace(material, grid=grid)
            else:
                material.missing["limits"] = _NOTHING_TO_VARY
        with note_failure(material, "sensitivity"):
            found = find_sensitivity(material, shares["sensitivity"])
            material = replace(material, sensitivity=found)
        if live:
            with note_failure(material, "agreement"):
                found_live = play_side_live(material, shares["live"])
                material = replace(material, comparison=found_live)
        if observation is not None:
            with note_failure(material, "client"):
                from simlib.lab.infer.infer import infer

                material = replace(material, inference=infer(observation))
    document = compose(material)
    files = write_document(document, material.grid, target)
    missing = {section.title: section.missing for section in document.missing}
    # Nobody asks for a sensitivity, and for a grid only by naming what varies.
    of_request = {"limits": bool(vary), "agreement": live, "client": observation is not None}
    failed = [each.title for each in document.missing if of_request.get(each.key)]
    if pdf:
        try:
            files.append(write_pdf(target))
        except (SimlibError, OSError) as error:
            missing["PDF"] = str(error)
            failed.append("PDF")
    chosen = material.verdict.recommended
    name = chosen.name if chosen else ""
    return Report(document.title, document.answer, name, missing, tuple(failed), tuple(files))


def compose(material: Material) -> Document:
    """Return the whole review, in the order in which a review asks."""
    writers: list[Callable[[Material], Section | None]] = [
        write_settings, write_bounds, write_load, write_recovery, write_messages, write_users,
        write_story, write_limits, write_sensitivity, write_client, write_agreement,
        write_assumptions, write_reproduce,
    ]  # fmt: skip
    sections = tuple(section for write in writers if (section := write(material)) is not None)
    answer = (*material.verdict.sentences, _limits_sentence(material))
    return Document(_title(material.question), tuple(filter(None, answer)), sections)


def _title(question: ReviewQuestion) -> str:
    names = join_words([scenario.name for scenario in question.scenarios])
    if len(question.policies) == 1:
        return f"How does the reconnect policy of {names} do?"
    return f"Should we change the reconnect policy of {names}?"


def _limits_sentence(material: Material) -> str:
    words = describe_limits(material)
    chosen = material.verdict.recommended
    if chosen is None:
        return words
    bounds = bounds_in_words(material.question.bounds, material.question.scenarios)
    name = say_policy(chosen.name)
    return f"{name[0].upper()}{name[1:]} keeps every bound ({bounds}). {words}".strip()


def _policies_by_name(names: Sequence[str]) -> dict[str, Settings | str]:
    from simlib.scenario.presets import PREFIX

    if isinstance(names, str):
        raise SettingsError("against", names, "must be a list of presets, or policies by name")
    return {name.removeprefix(PREFIX): f"{PREFIX}{name.removeprefix(PREFIX)}" for name in names}


def _shares(steps: Mapping[str, bool], move: Progress) -> dict[str, Callable[..., None]]:
    """Return for each step what moves the bar through its part."""
    whole = sum(_PARTS[name] for name, is_done in steps.items() if is_done)
    shares: dict[str, Callable[..., None]] = {}
    start = 0.0
    for name, is_done in steps.items():
        width = _PARTS[name] / whole if is_done else 0.0
        shares[name] = _part(move, start, width, name)
        start += width
    return shares


def _part(move: Progress, start: float, width: float, name: str) -> Callable[..., None]:
    return lambda done, *_: move(start + width * done, f"playing the {name}")


@contextmanager
def note_failure(material: Material, key: str) -> Iterator[None]:
    """Let one section fail by itself: the reason stands in its place."""
    try:
        yield
    except (SimlibError, OSError, ImportError) as error:
        # A machine may lack a library, or have no socket left: what was played must not be lost.
        material.missing[key] = str(error)
