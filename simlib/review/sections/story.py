"""One client's story: what went between it and the server, step by step."""

from __future__ import annotations

from simlib.api import run
from simlib.charts.sequence import ALL_STEPS, describe_steps
from simlib.review.chart import story_figure
from simlib.review.document import ChartBlock, Code, Section
from simlib.review.material import Material
from simlib.review.question import say_policy
from simlib.review.results import PlayedPolicy
from simlib.trace.sequence import list_sequence_steps, to_mermaid

_MOST_STEPS = 32


def write_story(material: Material) -> Section:
    """Return the section that follows one client."""
    played = material.chosen
    client = 0
    trace = played.trace
    if trace.tally is not None:
        trace = run(played.scenario, "fleet", label=played.name, watch=[client])
    else:
        client = _usual_client(played)
    steps = list_sequence_steps(trace, client, _MOST_STEPS)
    figure = story_figure(steps, client)
    did = describe_steps(list_sequence_steps(trace, client, ALL_STEPS), client)
    title = f"{did}, with {say_policy(played.name)}"
    blocks = (
        ChartBlock("story", title, figure, "Messages, pings and polls are left out"),
        Code(to_mermaid(steps, client), "mermaid", "The same as a Mermaid diagram"),
    )
    return Section("story", "What happens to one client?", blocks)


def _usual_client(played: PlayedPolicy) -> int:
    """Return the client whose number of attempts is the median: nobody's extreme."""
    frame = played.trace.frame()
    attempts = frame[(frame["kind"] == "command") & (frame["name"] == "open")]
    counts = attempts["client"].value_counts().sort_index()
    if counts.empty:
        return 0
    ordered = counts.sort_values(kind="stable")
    return int(ordered.index[(len(ordered) - 1) // 2])
