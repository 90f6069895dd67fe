"""Lint rules on HTTP statuses and close codes: which stop a client, which should."""

from __future__ import annotations

from math import inf

from simlib.core.faults import Fault, FaultKind, Route
from simlib.core.server import UNAUTHORIZED, UNAVAILABLE
from simlib.core.stops import Effect, as_codes, effect
from simlib.metrics.words import format_number
from simlib.studies.policy.lint.case import LINTED_ATTEMPTS, ROUND_TRIP_S, Case, Check, LintFinding

#: What a server or a proxy says that will be well again: request timeout, too early, too many
#: requests, server errors; going away, internal error, restart, try again later, bad gateway.
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504, 1001, 1011, 1012, 1013, 1014)
#: The close code of a server that restarts.
_RESTART = 1012


def ends_on_transient(case: Case) -> LintFinding | None:
    """Find clients that a passing trouble of the server ends for good."""
    if case.never or not case.has_codes:
        return None
    codes = [code for code in _TRANSIENT if effect(case.client.stops, code) != Effect.GOES_ON]
    if not codes:
        return None
    said = ", ".join(map(str, as_codes(codes)))
    return case.finding(
        "error",
        f"Codes stop it that pass by themselves: {said}. What a restart or a busy server says is "
        "no reason never to attempt again.",
        float(len(codes)),
        "transient codes",
        "wait these out: take them out of stops.ends_on and stops.suspends_on",
    )


def never_stops_on_401(case: Case) -> LintFinding | None:
    """Find clients that attempt again and again though their session is over: a loop of 401."""
    goes_on = effect(case.client.stops, UNAUTHORIZED) == Effect.GOES_ON
    if case.never or not case.has_codes or not goes_on or case.rules.max_attempts < LINTED_ATTEMPTS:
        return None
    per_s = min(1.0 / (float(case.waits[2, -1]) + ROUND_TRIP_S), case.client.connect_budget.per_s)
    whence = next((whence for code, _, whence in _own_codes(case) if code == UNAUTHORIZED), "")
    severity = "warning" if per_s >= case.thresholds.unauthorized_per_s else "info"
    return case.finding(
        "error" if whence else severity,
        f"It goes on after a 401{f' ({whence[0].lower()}{whence[1:]} says it)' if whence else ''}: "
        f"a client whose session is over makes {format_number(per_s)} attempts/s without end, and "
        "nobody is asked to sign in.",
        per_s,
        "attempts/s of each client",
        "rest until a sign-in: stops.suspends_on = [401, 403, 4401, 4403]",
    )


def find_stops_by_fault(case: Case) -> LintFinding | None:
    """Find clients that the scenario's own faults, or its server, stop for good."""
    if case.never:
        return None
    for code, clients_fraction, whence in _own_codes(case):
        what = effect(case.client.stops, code)
        waits_in_vain = what == Effect.SUSPENDS and case.client.session.sign_in_after_s == inf
        if what == Effect.ENDS or waits_in_vain:
            does = "ends it" if what == Effect.ENDS else "suspends it until a sign-in, which never"
            does += " for good" if what == Effect.ENDS else " comes"
            clients = round(case.clients * clients_fraction)
            return case.finding(
                "error",
                f"{whence} says {code}, which {does}: up to {clients:,} clients do not come back.",
                float(clients),
                "clients",
                "wait the code out: take it out of stops, or let a user sign in: "
                "session.sign_in_after_s",
            )
    return None


def find_uncapped_hint(case: Case) -> LintFinding | None:
    """Find clients that obey a Retry-After, however long it is."""
    hint_s = _longest_hint_s(case)
    if case.never or not case.rules.heeds_hint or case.rules.hint_cap_s < inf:
        return None
    if hint_s == 0.0 and not case.is_preset:  # simlib's default, and nobody says a hint here
        return None
    said = f"; here one of {format_number(hint_s)} s is said" if hint_s else ""
    return case.finding(
        "warning" if hint_s >= case.thresholds.hint_s else "info",
        "A Retry-After is obeyed without a bound: one wrong number of a server or a proxy keeps "
        f"its clients away for that long{said}.",
        hint_s,
        "s",
        "bound it: backoff.hint_cap_s = 60 or so",
    )


def _longest_hint_s(case: Case) -> float:
    server = case.scenario.server
    hints_s = [server.retry_after_s, server.advises_window_s]
    return max(hints_s + [fault.retry_after_s for fault in case.scenario.faults])


def _own_codes(case: Case) -> list[tuple[int, float, str]]:
    """Return the codes that a scenario gives, to which share of the clients, and what does so."""
    notes = [
        (
            _code(fault),
            fault.clients_fraction,
            f"Its own {fault.kind.name.lower()} at {fault.start_s:g} s",
        )
        for fault in case.scenario.faults
        if fault.route != Route.HTTP and fault.clients_fraction > 0.0 and _code(fault)
    ]
    server = case.scenario.server
    if server.max_connections < inf or case.serves_per_s < inf:
        notes.append((UNAVAILABLE, 1.0, "A server that has too much to do"))
    if server.session_lifetime_s < inf:
        notes.append((UNAUTHORIZED, 1.0, "A server that wants a session"))
    return notes


def _code(fault: Fault) -> int:
    """Return the status or close code that a fault gives clients; 0: none."""
    codes = {
        FaultKind.REJECT: fault.status,
        FaultKind.CLOSE: fault.code,
        FaultKind.DEPLOY: _RESTART,
    }
    return codes.get(fault.kind, 0)


#: The rules of this file by their ids, in the order of their checks.
CODE_RULES: dict[str, Check] = {
    "ends-on-transient": ends_on_transient,
    "stops-on-401-never": never_stops_on_401,
    "stopped-by-fault": find_stops_by_fault,
    "hint-uncapped": find_uncapped_hint,
}
