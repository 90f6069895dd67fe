"""The pictures of the gallery: what each shows, and how it is made from a shipped scenario."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simlib.api import run
from simlib.charts import plots
from simlib.charts.animation import Animation, animate
from simlib.charts.figures import figure_of
from simlib.experiments.sweep import sweep
from simlib.scenario.presets import presets
from simlib.scenario.scenario import Scenario, load
from simlib.support.files import find_shipped
from simlib.trace.trace import Trace

_JITTERS = ("none", "full", "equal", "decorrelated")
_POLICIES = ("socket.io-client", "phoenix", "signalr", "aws-full", "grpc-js", "sockette")


@dataclass(frozen=True)
class Picture:
    """One picture of the gallery."""

    #: The file's name, without its end.
    name: str
    #: The question that it answers.
    question: str
    #: What a reader would type.
    code: str
    draw: Callable[[], Figure | Animation]


@cache
def play(name: str, label: str = "", **changes: Any) -> Trace:
    """Return a shipped scenario's run, with settings changed: a dot in a path is written __."""
    paths = {key.replace("__", "."): value for key, value in changes.items()}
    return run(_load_shipped(name).replace(paths), label=label)


def _load_shipped(name: str) -> Scenario:
    return load(find_shipped(f"scenarios/{name}.toml"))


def _storms(*jitters: str, seeds: int = 1) -> list[Trace]:
    words = {jitter: f"{'no' if jitter == 'none' else jitter} jitter" for jitter in jitters}
    return [
        play("reconnect_storm", words[jitter], client__backoff__jitter=jitter, seed=seed)
        for jitter in jitters
        for seed in range(1, seeds + 1)
    ]


def _whole(axes: Any) -> Figure:
    """Return the figure that a plot has drawn on."""
    return figure_of(axes if isinstance(axes, Axes) else axes[0])


def _policies() -> dict[str, Any]:
    return {name: presets[name].client for name in _POLICIES}


def _side_by_side() -> Figure:
    runs = [
        play("reconnect_storm", name, client__backoff=settings.backoff)
        for name, settings in _policies().items()
    ]
    return _whole(plots.attempts(runs))


def _agreement() -> Figure:
    from simlib.studies.compare.compare import compare

    found = compare(_load_shipped("first_outage"), 8)
    return _whole(plots.agreement([*found.simulated, found.live]))


def _heat() -> Figure:
    storm = _load_shipped("reconnect_storm").replace(clients=200)
    grid: dict[str, list[Any]] = {
        "client.backoff.jitter": list(_JITTERS[:3]),
        "client.backoff.cap_s": [2, 4, 8],
    }
    return _whole(plots.heat(sweep(storm, grid, 5, workers=1), "time_to_recover_s_p95"))


def _front() -> Figure:
    from simlib.studies.tune.chart import tuning_chart
    from simlib.studies.tune.tune import tune

    # No messages: the fleet plays that, and so it takes a moment.
    storm = _load_shipped("fleet_storm").replace({"clients": 1000, "server.accept_per_s": 200})
    return _whole(tuning_chart(tune(storm, trials=12, replications=3, workers=1)))


def _sensitivity() -> Figure:
    from simlib.studies.sensitivity.chart import sensitivity_chart
    from simlib.studies.sensitivity.sensitivity import sensitivity

    storm = _load_shipped("fleet_storm").replace(clients=500)
    found = sensitivity(storm, samples=16, replications=1, workers=1)
    return _whole(sensitivity_chart(found))


def _claim() -> Figure:
    from simlib.studies.claims.chart import claim_chart
    from simlib.studies.claims.claims import claims

    (found,) = claims(_load_shipped("report_claims"), 40, names=["under 5 s in a crowd"])
    return _whole(claim_chart(found))


def _capacity() -> Figure:
    from simlib.studies.capacity.capacity import capacity
    from simlib.studies.capacity.chart import capacity_chart

    storm = _load_shipped("fleet_storm").replace(clients=1000)
    found = capacity(storm, 10, keys=["server.accept_per_s"])
    return _whole(capacity_chart(found))


def _storms_of_presets() -> Figure:
    from simlib.studies.policy.benchmark import play_storms
    from simlib.studies.policy.chart import storms_chart

    return _whole(storms_chart(play_storms(_policies(), 1000, on="sim")))


#: In the order of the page.
PICTURES = (
    Picture(
        "attempts", "Is there a storm?",
        'sl.plots.attempts([none, full])',
        lambda: _whole(plots.attempts(_storms("none", "full"))),
    ),
    Picture(
        "admissions", "How many wanted in, and how many got in?",
        "sl.plots.admissions(none)",
        lambda: _whole(plots.admissions(_storms("none"))),
    ),
    Picture(
        "recovery", "Who is back how soon, and who never?",
        "sl.plots.recovery([*none, *full])  # five seeds of each",
        lambda: _whole(plots.recovery(_storms("none", "full", seeds=5))),
    ),
    Picture(
        "side_by_side", "How do more than three policies differ?",
        "sl.plots.attempts(runs)  # six runs",
        _side_by_side,
    ),
    Picture(
        "storms", "What do known clients do in one storm?",
        "simlib presets compare",
        _storms_of_presets,
    ),
    Picture(
        "server", "Is the server busy, and who waits for it?",
        "sl.plots.server(slow)",
        lambda: _whole(plots.server(play("slow_server"))),
    ),
    Picture(
        "states", "What did each client do?",
        "sl.plots.states(slow)",
        lambda: _whole(plots.states(play("slow_server", clients=40))),
    ),
    Picture(
        "swimlanes", "What depended on what, in a few clients?",
        "sl.plots.swimlanes(fallback, clients=[0, 1])",
        lambda: _whole(plots.swimlanes(
            play("poor_network_fallback", client__breaker__trip_after=3), clients=[0, 1]
        )),
    ),
    Picture(
        "sequence", "How was one connection lost and found again?",
        "sl.plots.sequence(storm, client=3)",
        lambda: _whole(plots.sequence(play("first_outage"), client=3)),
    ),
    Picture(
        "backoff", "Where do the waits of a policy lie?",
        "sl.plots.backoff(policies)",
        lambda: _whole(plots.backoff(_policies())),
    ),
    Picture(
        "outbox", "Does the backlog of messages drain?",
        "sl.plots.outbox(flush)",
        lambda: _whole(plots.outbox(play("flush_storm"))),
    ),
    Picture(
        "waterfall", "Where did the slowest messages wait?",
        "sl.plots.waterfall(flush)",
        lambda: _whole(plots.waterfall(play("flush_storm"))),
    ),
    Picture(
        "latency", "How soon are messages acknowledged?",
        "sl.plots.latency([none, full])",
        lambda: _whole(plots.latency(_storms("none", "full"))),
    ),
    Picture(
        "latency_by_priority", "Are urgent messages sooner?",
        "sl.plots.latency_by_priority(limited)",
        lambda: _whole(plots.latency_by_priority(play("rate_limited"))),
    ),
    Picture(
        "agreement", "Is the live run as the simulated ones?",
        "sl.plots.agreement([*found.simulated, found.live])",
        _agreement,
    ),
    Picture(
        "heat", "What do two settings do together?",
        'sl.plots.heat(swept, "time_to_recover_s_p95")',
        _heat,
    ),
    Picture(
        "front", "Which policies does none beat in everything?",
        "sl.tuning_chart(sl.tune(storm))",
        _front,
    ),
    Picture(
        "sensitivity", "Which setting decides?",
        "sl.sensitivity_chart(sl.sensitivity(storm))",
        _sensitivity,
    ),
    Picture(
        "claim", "Up to where does a claim hold?",
        "simlib claims report_claims",
        _claim,
    ),
    Picture(
        "capacity", "How much server does it take?",
        "sl.capacity_chart(sl.capacity(storm, 10))",
        _capacity,
    ),
    Picture(
        "state_diagram", "What can a connection do?",
        "sl.plots.state_diagram()",
        lambda: _whole(plots.state_diagram()),
    ),
    Picture(
        "storm", "What does a storm look like?",
        'sl.animate(none, "storm.webp")',
        lambda: animate(_storms("none")[0]),
    ),
)  # fmt: skip
