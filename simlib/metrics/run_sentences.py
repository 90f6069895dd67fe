"""What a run shows, in a few sentences: who was hit and came back, the load, the messages.

Each sentence is made from the numbers by a rule. A sentence is left out where its number says
nothing: of the load where no server has a limit and no fault was there, of messages where none
were sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite, isinf, isnan
from typing import Any

import numpy as np

from simlib.core.backoff import longest_s
from simlib.core.backoff_kinds import Jitter
from simlib.core.card import count_in_words
from simlib.core.faults import Fault
from simlib.metrics.array_types import Floats
from simlib.metrics.attempts import attempts_per_s
from simlib.metrics.fault_times import downtimes_s, recovery_times_s
from simlib.metrics.words import (
    format_count,
    format_number,
    format_seconds,
    format_share,
    say_count,
)
from simlib.scenario.rates import handshakes_per_s
from simlib.scenario.scenario import Scenario
from simlib.trace.disruptions import interrupting
from simlib.trace.trace import Trace


def describe_numbers(trace: Trace, values: Mapping[str, Any]) -> str:
    """Return the sentences about a run, given its row of metrics."""
    sentences = [
        _describe_recovery(trace),
        describe_load(trace.scenario, values),
        _describe_vain_work(values),
        _describe_messages(values),
        _describe_ends(values),
    ]
    return " ".join(filter(None, sentences))


def _describe_recovery(trace: Trace) -> str:
    scenario = trace.scenario
    faults = [fault for fault in interrupting(scenario) if fault.start_s < trace.end_s]
    if not faults:
        return _describe_losses(scenario.clients, downtimes_s(trace))
    name = _describe_faults(faults)
    times_s = recovery_times_s(trace)
    if not any(fault.end_s < trace.end_s for fault in faults):
        return f"{name.capitalize()} lasted to the end of the run, so nobody could come back."
    if not times_s.size:
        return f"{name.capitalize()} hit no client that was connected."
    return f"{_describe_hit(times_s.size, scenario.clients, len(faults))} by {name}: " + (
        _describe_back(times_s, trace, len(faults))
    )


def _describe_losses(clients: int, downtimes: Floats) -> str:
    """Return what was lost without a fault: to a server that closes, or a proxy that forgets."""
    if not downtimes.size:
        return f"No fault cut off the {count_in_words(clients, 'client')}."
    times = "once" if downtimes.size == 1 else f"{downtimes.size:,} times"
    half_s = float(np.sort(downtimes)[(downtimes.size - 1) // 2])
    lasted = f"half of the losses lasted up to {format_seconds(half_s)}"
    if isinf(half_s):
        lasted = "most of the losses lasted to the end of the run"
    whom = count_in_words(clients, "client")
    return f"No fault cut off the {whom}, and connections were lost {times}: {lasted}."


def _describe_faults(faults: list[Fault]) -> str:
    if len(faults) > 1:
        return f"the {len(faults)} faults"
    fault = faults[0]
    kind = fault.kind.name.lower().replace("_", " ")
    length_s = fault.end_s - fault.start_s
    return f"the {kind} of {length_s:g} s" if 0.0 < length_s < inf else f"the {kind}"


def _describe_hit(hits: int, clients: int, faults: int) -> str:
    if faults > 1:
        return f"Clients were hit {hits:,} times"
    if hits == clients:
        return f"All {clients:,} clients were hit" if clients > 1 else "The client was hit"
    return f"{hits:,} of {count_in_words(clients, 'client')} {'was' if hits == 1 else 'were'} hit"


def _describe_back(times_s: Floats, trace: Trace, faults: int) -> str:
    """Return when they were back, and how many never were."""
    back_s = np.sort(times_s[np.isfinite(times_s)])
    never = times_s.size - back_s.size
    end = "its end" if faults == 1 else "the end of the fault"
    if not back_s.size:
        return f"nobody came back before the end of the run{_why_never(trace, never)}."
    last_s = float(back_s[-1])
    if never:
        soon = f"{back_s.size:,} came back within {format_seconds(last_s)} of {end}"
        return f"{soon}, {never:,} did not before the end of the run{_why_never(trace, never)}."
    if last_s == 0.0:
        return f"everybody was back before {end}."
    half_s = float(back_s[(back_s.size - 1) // 2])
    if half_s == 0.0 or times_s.size < 3:
        return f"everybody was back within {format_seconds(last_s)} of {end}."
    last = format_seconds(last_s)
    return f"half were back {format_seconds(half_s)} after {end}, the last after {last}."


def _why_never(trace: Trace, never: int) -> str:
    """Say what those who never came back did last: they came again together, or not any more."""
    scenario = trace.scenario
    waits_s = [longest_s(client.backoff) for client in scenario.policies]
    longest = max(
        wait_s + client.connect_timeout_s
        for wait_s, client in zip(waits_s, scenario.policies, strict=True)
    )
    attempts = attempts_per_s(trace)
    [moments_s] = np.nonzero(attempts)
    quiet_s = trace.end_s - moments_s[-1] - 1.0 if moments_s.size else 0.0
    if quiet_s > longest:
        return f"; the last attempt was {format_seconds(quiet_s)} before that"
    lately = attempts[int(max(0.0, trace.end_s - longest - 1.0)) :].sum()
    one_policy = len({client.backoff for client in scenario.policies}) == 1
    in_lockstep = one_policy and scenario.client.backoff.jitter == Jitter.NONE
    if in_lockstep and isfinite(waits_s[0]) and lately >= min(never, scenario.clients):
        return f"; without jitter they all come again every {waits_s[0]:g} s"
    return ""


def describe_load(scenario: Scenario, values: Mapping[str, Any]) -> str:
    """Return the worst second that the server met, beside what it can take."""
    can, after = handshakes_per_s(scenario), values["peak_after_fault_per_s"]
    peak, when = values["peak_attempts_per_s"], "in the worst second"
    if not isnan(after):
        peak, when = after, "in the worst second after the fault"
    if isinf(can) or not peak:
        return ""
    if peak <= can:
        return f"{say_count(peak, 'attempt')} came {when}; the server can take {format_count(can)}."
    times = format_number(round(peak / can, 1))
    limit = f"{times} times the {format_count(can)} that the server can take"
    return f"{say_count(peak, 'attempt')} came {when}, {limit}."


def _describe_vain_work(values: Mapping[str, Any]) -> str:
    """Return how much of the server's work was for clients that had gone."""
    abandoned = values.get("handshakes_abandoned", 0)
    if not abandoned:
        return ""
    share = format_share(abandoned / values["handshakes_served"])
    whom = "their clients had gone by then" if abandoned > 1 else "its client had gone by then"
    served = say_count(values["handshakes_served"], "handshake")
    of_all = f"of the {served} that the server served"
    were = "were" if abandoned > 1 else "was"
    return f"{format_count(abandoned)} ({share}) {of_all} {were} in vain: {whom}."


def _describe_messages(values: Mapping[str, Any]) -> str:
    sent = values.get("sent", 0)
    if not sent:
        return ""
    lost, under_way = values["lost"], values["undelivered"]
    if not lost and not under_way and values["delivered_fraction"] == 1.0:
        return f"{_all_messages(sent)} arrived{_describe_latency(values)}."
    parts = [f"{lost:,} lost"] * bool(lost) + [f"{under_way:,} still under way at the end"] * bool(
        under_way
    )
    what = f": {' and '.join(parts)}" if parts else ""
    share = format_share(values["delivered_fraction"])
    return f"{share[0].upper()}{share[1:]} of {count_in_words(sent, 'message')} arrived{what}."


def _all_messages(sent: int) -> str:
    return f"All {sent:,} messages" if sent > 1 else "The one message"


def _describe_latency(values: Mapping[str, Any]) -> str:
    late_s = values.get("latency_s_p95", inf)
    return f", 95 % of them within {format_seconds(late_s)}" if late_s < inf else ""


def _describe_ends(values: Mapping[str, Any]) -> str:
    gave_up = values["gave_up"]
    return f"{count_in_words(gave_up, 'client')} gave up." if gave_up else ""
