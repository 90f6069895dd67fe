"""The fleet engine: a million clients, played by the core's own functions, compiled."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from simlib.core.errors import SettingsError
from simlib.core.faults import FaultKind
from simlib.core.path import IdleAction
from simlib.core.server_settings import FullBacklog, Remember
from simlib.engines.fleet.cluster import play_parts
from simlib.engines.fleet.gateways import play_gateways
from simlib.engines.fleet.jit import require
from simlib.engines.fleet.part import Part
from simlib.engines.kernel import arrays, state
from simlib.engines.kernel import features as needs
from simlib.scenario.functions import find_functions, refuse_functions
from simlib.scenario.scenario import Scenario, setting
from simlib.support.progress import Progress
from simlib.trace.counts import Tally
from simlib.trace.trace import Interrupted, Trace

if TYPE_CHECKING:
    from simlib.engines.world import Process

#: Kinds of fault that it leaves out: what they do to sessions, or to the clients' platforms.
LEFT_OUT = (
    FaultKind.SESSION_EXPIRY,
    FaultKind.CLIENT_RELOAD,
    FaultKind.CLIENT_SLEEP,
    FaultKind.CLIENT_THROTTLE,
)


def play(
    scenario: Scenario,
    label: str = "",
    processes: Sequence[Process] = (),
    progress: Progress | None = None,
    partition: str | None = None,
    scheduler: Any = None,
    watch: Sequence[int] = (),
) -> Trace:
    """Play a scenario with compiled code; see `simlib.api`."""
    if processes:
        raise SettingsError("processes", len(processes), "are not for the fleet: use on='sim'")
    if partition is not None:
        if watch:
            raise SettingsError("watch", tuple(watch), "is not for parts: leave out partition")
        return play_many([scenario], label, progress, partition, scheduler)[0]
    _check(scenario)
    if watch:
        from simlib.engines.fleet import watched  # it plays them as sim does, with its libraries

        watched.check(scenario, watch)
    trace = Trace("fleet", scenario, label, watched=tuple(watch))
    played = play_gateways(scenario, _gateways(scenario), watch, progress)
    trace.partial = any(part.partial for part in played)
    trace.end_s = max(part.end_s for part in played)
    trace.tally = Tally.merge([part.tally for part in played])
    if watch:
        watched.write_rows(trace, [part.log for part in played], [part.end_s for part in played])
    if trace.partial:
        raise Interrupted(trace)
    return trace


def play_many(
    scenarios: Sequence[Scenario],
    label: str = "",
    progress: Progress | None = None,
    partition: str | None = "gateway",
    scheduler: Any = None,
) -> list[Trace]:
    """Play scenarios as Dask tasks, a task for each gateway; see `simlib.run_many`."""
    if partition != "gateway":
        raise SettingsError("partition", partition, 'must be "gateway"')
    for scenario in scenarios:
        _check(scenario)
    # Compiled once, here: the workers read what is kept.
    for scenario in {
        needs.loop_for(planned, watched=False): planned for planned in scenarios
    }.values():
        Part(scenario, 0).load()
    parts = [(planned, gateway) for planned in scenarios for gateway in range(_gateways(planned))]
    tallies = iter(play_parts(parts, scheduler, progress))
    traces = []
    for scenario in scenarios:
        merged = Tally.merge([next(tallies) for _ in range(_gateways(scenario))])
        traces.append(Trace("fleet", scenario, label, end_s=scenario.duration_s, tally=merged))
    return traces


def _check(scenario: Scenario) -> None:
    refuse_what_is_left_out(scenario)
    _check_memory(scenario)


def _gateways(scenario: Scenario) -> int:
    """Return how many gateways have clients."""
    return min(scenario.gateways, scenario.clients)


def refuse_what_is_left_out(scenario: Scenario) -> None:
    """Raise `SettingsError` with every key that the fleet does not play."""
    refuse_functions(scenario, "the fleet plays compiled policies: use the sim engine")
    keys = find_left_out(scenario)
    if keys:
        also = f"; nor are {', '.join(keys[1:])}" if len(keys) > 1 else ""
        rule = f"is not played by the fleet{also}: play this scenario on sim"
        value, _ = setting(scenario, keys[0])
        raise SettingsError(keys[0], value.name.lower() if hasattr(value, "name") else value, rule)


def find_left_out(scenario: Scenario) -> list[str]:
    """Return the keys of what a scenario uses and the fleet leaves out.

    Messages are left out too. They change nothing for the connections on a path of constant
    latency; on others, a scenario must send none.
    """
    server = scenario.server
    used = {
        **dict.fromkeys(find_functions(scenario), True),
        "hints": bool(scenario.hints),
        # Its gateways are played one by one, so none can know how full another is.
        "balance": scenario.is_balanced,
        **_parts_of_clients(scenario),
        "server.session_lifetime_s": server.session_lifetime_s < inf,
        "server.silence_timeout_s": server.silence_timeout_s < inf,
        "server.per_address.accept_per_s": server.per_address.accept_per_s < inf,
        "server.backlog_full": server.backlog_full == FullBacklog.DROP,
        "server.remember": server.remember == Remember.DISK and needs.sends(scenario),
        "path.idle_action": _closes_idle(scenario),
        "server.max_connection_age_s": server.max_connection_age_s < inf,
        "workload.rate_per_s": needs.sends(scenario) and not needs.is_plain(scenario),
    }
    keys = [key for key, is_used in used.items() if is_used]
    for i, fault in enumerate(scenario.faults):
        if fault.kind in LEFT_OUT:
            keys.append(f"faults.{i}.kind")
        elif fault.announced:
            keys.append(f"faults.{i}.announced")
    return keys


def _closes_idle(scenario: Scenario) -> bool:
    path = scenario.path
    return path.idle_action == IdleAction.CLOSE and path.idle_timeout_s < inf


def keeps_order(scenario: Scenario) -> bool:
    """Whether what comes together on the fleet comes in the order of sim.

    Among clients in lockstep, and where the server ends connections, sim's order depends on when
    the server's alarm was set; the fleet does not keep that one.
    """
    return not (needs.meets(scenario) or needs.orders(scenario))


def _parts_of_clients(scenario: Scenario) -> dict[str, bool]:
    places = {"client": scenario.client}
    places |= {f"cohorts.{i}.client": cohort.client for i, cohort in enumerate(scenario.cohorts)}
    used = {}
    for place, client in places.items():
        used[f"{place}.fallback.after_attempts"] = client.fallback.after_attempts < inf
        used[f"{place}.fallback.when_quality"] = client.fallback.when_quality > 0
        used[f"{place}.session.sign_in_after_s"] = client.session.sign_in_after_s < inf
        # Messages are not played, so what they bring could not count as life.
        listens = client.heartbeat.any_traffic and client.heartbeat.interval_s < inf
        used[f"{place}.heartbeat.any_traffic"] = (
            listens and needs.sends(scenario) and needs.pings(scenario)
        )
    return used


def _check_memory(scenario: Scenario) -> None:
    # One gateway after the other is played, and only its clients are there.
    clients = -(-scenario.clients // scenario.gateways)
    for key, number, most in (
        ("clients", clients, state.MOST_CLIENTS),
        ("cohorts", len(scenario.cohorts), state.MOST_COHORTS),
    ):
        if number > most:
            rule = f"are more than the {most:,} that the fleet can number"
            raise SettingsError(key, number, rule)
    there = require("psutil").virtual_memory().available
    uses: tuple[tuple[str, float, float, str], ...] = (
        ("clients", scenario.clients, clients * arrays.bytes_per_client(scenario), ""),
        ("duration_s", scenario.duration_s, arrays.bytes_of_counts(scenario), " for counts"),
        (
            "cohorts",
            len(scenario.cohorts),
            arrays.bytes_of_cohorts(scenario),
            " for their settings",
        ),
    )
    for key, value, needs_bytes, what in uses:
        if needs_bytes > there:
            amounts = f"{needs_bytes / 2**30:,.1f} GiB{what}, and {there / 2**30:,.1f} GiB"
            raise SettingsError(key, value, f"would take {amounts} are available")
