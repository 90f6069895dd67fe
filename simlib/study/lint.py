"""Lint: static checks of a policy, each with the number behind it and what to do about it.

A rule is a function from one policy in its scenario to what it finds, or to nothing. It rests on a
closed form or on waits drawn by the core's `delay`; the one for the breaker plays a small storm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, isinf
from typing import Any

import numpy as np

from simlib.arguments import check_arguments
from simlib.core.backoff import Backoff, CountedFrom, Jitter, delay, waited
from simlib.core.breaker import Breaker
from simlib.core.client import Settings
from simlib.core.draws import Stream, uniform
from simlib.core.faults import FaultKind
from simlib.core.quality import Quality
from simlib.policies import Preset, grows, presets
from simlib.run import run
from simlib.scenario import Scenario
from simlib.study.metrics import Floats, recovery_times_s
from simlib.study.storms import storm, waits_s
from simlib.workload import Workload

#: From the worst down.
SEVERITIES = ("error", "warning", "info")
#: An outage that a client should outlast.
OUTAGE_S = 60.0
#: Proxies in common use forget a connection that was idle for this long, the first of them: 55 s
#: (a router of Heroku's), 60 s (AWS load balancers, nginx).
IDLE_S = 55.0
#: Outages of storms, as in `storms`.
_STORM_S = 30.0
#: A breaker may be lucky in one outage, so it is played in several.
_OUTAGES_S = (20.0, 30.0, 45.0)
#: An attempt takes at least so long, whatever it waits.
_ROUND_TRIP_S = 0.1
_ATTEMPTS, _CLIENTS = 24, 300
#: The middle half of the waits is called narrow if it spans less of them than this.
_NARROW = 0.1


@dataclass(frozen=True)
class Finding:
    """What a rule found.

    Attributes
    ----------
    rule, severity : str
        The rule's id; error, warning or info.
    where : str
        The part of the scenario: ``client``, or ``herds.0.client``.
    sentence : str
        What is wrong, with the number in it.
    number : float
        The number behind it.
    unit : str
        What it is a number of.
    remedy : str
        What to do.
    """

    rule: str
    severity: str
    where: str
    sentence: str
    number: float
    unit: str
    remedy: str

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values; a number without limit is the text inf."""
        number = str(self.number) if isinf(self.number) else self.number
        return {**vars(self), "number": number}


@dataclass(frozen=True)
class Case:
    """One policy in its scenario, and what several rules ask of it."""

    where: str
    client: Settings
    scenario: Scenario
    #: What resets the count of failures, where it is known of a real client: see `Preset`.
    resets: str = ""

    @property
    def rules(self) -> Backoff:
        """Its backoff."""
        return self.client.backoff

    @property
    def never(self) -> bool:
        """Whether it does not reconnect at all."""
        return self.rules.max_attempts == 0

    @property
    def clients(self) -> int:
        """How many clients behave like this."""
        for i, herd in enumerate(self.scenario.herds):
            if self.where == f"herds.{i}.client":
                return round(herd.clients_fraction * self.scenario.clients)
        others = 1.0 - sum(herd.clients_fraction for herd in self.scenario.herds)
        return round(others * self.scenario.clients)

    @cached_property
    def waits(self) -> Floats:
        """Shortest, quartiles and longest of the waits before attempts in a row."""
        return waits_s(self.rules, _ATTEMPTS)[:, : int(min(_ATTEMPTS, self.rules.max_attempts))]

    @property
    def lost_s(self) -> float:
        """The wait after the loss of a connection that was open for long; inf: as any other."""
        # Counted from the attempt that opened it, any wait is long over.
        is_over = self.rules.counted_from == CountedFrom.START
        return min(self.rules.after_loss_s, 0.0 if is_over else inf)

    @property
    def spans_s(self) -> Floats:
        """How far the middle half of the waits before each attempt spans."""
        return np.asarray(self.waits[3] - self.waits[1])

    @property
    def jitters(self) -> bool:
        """Whether any wait is spread."""
        return bool((self.spans_s > 0.0).any())

    @property
    def outage_s(self) -> float:
        """The longest outage of the scenario that ends, or a minute."""
        ended = [
            fault.end_s - fault.start_s
            for fault in self.scenario.faults
            if fault.kind in (FaultKind.OUTAGE, FaultKind.SERVER_CRASH, FaultKind.BLACK_HOLE)
            and fault.end_s < inf
        ]
        return max(ended, default=OUTAGE_S)

    @property
    def serves_per_s(self) -> float:
        """How many handshakes the servers can do each second, all gateways together."""
        server = self.scenario.server
        busy_s = server.handshake_service_s + server.resync_service_s
        works_per_s = server.workers / busy_s if busy_s > 0.0 else inf
        return self.scenario.gateways * min(server.accept_per_s, works_per_s)

    def finding(
        self, severity: str, sentence: str, number: float, unit: str, remedy: str
    ) -> Finding:
        """Return what a rule has found here; its id is put in by `lint`."""
        return Finding("", severity, self.where, sentence, number, unit, remedy)


Check = Callable[[Case], Finding | None]
#: The rules by their ids, in the order of their checks.
RULES: dict[str, Check] = {}


def _rule(name: str) -> Callable[[Check], Check]:
    def noted(check: Check) -> Check:
        RULES[name] = check
        return check

    return noted


@check_arguments
def lint(target: Scenario | Preset, *, resets: str = "") -> list[Finding]:
    """Check the policies of a scenario, or a preset, without playing it.

    Parameters
    ----------
    target : Scenario or Preset
        All policies of a scenario are checked, those of its herds too, with its server, its
        faults and its workload; a preset alone is checked as 100 clients without a server's limits.
    resets : str
        What resets the count of failures, as a `Preset` says it; that of a preset is known. A
        count that needs more than an open connection outlasts a server that accepts and closes.

    Returns
    -------
    list of Finding
        The worst first; empty if there is nothing to say.

    Examples
    --------
    >>> import simlib as sl
    >>> [each.rule for each in lint(sl.presets["sockette"])]
    ['no-jitter', 'no-heartbeat']
    """
    found = []
    for case in _cases(target, resets):
        for name, check in RULES.items():
            finding = check(case)
            if finding is not None:
                found.append(replace(finding, rule=name))
    return sorted(found, key=lambda each: SEVERITIES.index(each.severity))


def _cases(target: Scenario | Preset, resets: str) -> Iterator[Case]:
    scenario = alone(target) if isinstance(target, Preset) else target
    policies = {f"herds.{i}.client": herd.client for i, herd in enumerate(scenario.herds)}
    if len(scenario.policies) > len(policies):
        policies["client"] = scenario.client
    for where, client in policies.items():
        yield Case(where, client, scenario, resets or _resets(client))


def _resets(client: Settings) -> str:
    """Return what resets the count of failures of a client that is a preset as it is."""
    return next((each.resets for each in presets.values() if each.client == client), "")


def alone(preset: Preset) -> Scenario:
    """Return the scenario that a preset is checked in: 100 clients that send nothing."""
    return Scenario(name=preset.name, client=preset.client, workload=Workload(rate_per_s=0))


def worst(findings: list[Finding]) -> str:
    """Return the worst severity among findings; "clean" without any.

    Examples
    --------
    >>> worst([])
    'clean'
    """
    found = {each.severity for each in findings}
    return next((each for each in SEVERITIES if each in found), "clean")


# --- jitter ------------------------------------------------------------------------------


@_rule("no-jitter")
def no_jitter(case: Case) -> Finding | None:
    """Find clients that were lost together and come back together, each time."""
    if case.never or case.jitters:
        return None
    return case.finding(
        "error",
        f"Without jitter, clients that are lost together come back together each time: "
        f"{case.clients:,} attempts at once.",
        float(case.clients),
        "attempts at once",
        "spread the waits: jitter = full, or proportional with a spread_fraction of 0.5",
    )


@_rule("jitter-first-only")
def jitter_first_only(case: Case) -> Finding | None:
    """Find a herd that stays as wide as its first wait made it."""
    if case.never or not case.jitters or case.spans_s.size < 2 or (case.spans_s[1:] > 0.0).any():
        return None
    width_s = float(case.waits[4, 0] - case.waits[0, 0])
    return case.finding(
        "warning",
        f"Only the first wait is spread: the herd stays {width_s:.3g} s wide while waits grow to "
        f"{case.waits[2, -1]:.3g} s.",
        width_s,
        "s",
        "spread every wait",
    )


@_rule("jitter-dies-at-cap")
def jitter_dies_at_cap(case: Case) -> Finding | None:
    """Find jitter that is gone once the waits are at the cap."""
    spans_s = case.spans_s
    if case.never or spans_s.size < 2 or spans_s[-1] > 0.0 or not (spans_s[1:] > 0.0).any():
        return None
    last = int(np.flatnonzero(spans_s > 0.0)[-1])
    after_s = float(case.waits[2, : last + 1].sum())
    # What is added to a ceiling at the cap is cut off again inside.
    is_added = case.rules.jitter == Jitter.ADDITIVE
    places = "after_cap" if is_added else "inside or after_cap"
    return case.finding(
        "warning",
        f"Jitter comes before the cap and dies there: from attempt {last + 2}, {after_s:.3g} s "
        f"into an outage, most waits are {case.waits[2, -1]:.3g} s exactly.",
        after_s,
        "s",
        f"put jitter after the cap: jitter_place = {places}",
    )


@_rule("jitter-narrow")
def jitter_narrow(case: Case) -> Finding | None:
    """Find jitter that is small beside the waits it spreads."""
    if case.never or not case.jitters or case.spans_s[-1] == 0.0:
        return None
    share = float(case.spans_s[-1] / case.waits[2, -1])
    if share > _NARROW - 1e-9:
        return None
    return case.finding(
        "warning",
        f"Jitter is narrow: of waits of {case.waits[2, -1]:.3g} s the middle half lies within "
        f"{case.spans_s[-1]:.2g} s.",
        share,
        "of the wait",
        "let jitter grow with the wait: full, equal, or proportional",
    )


@_rule("jitter-drawn-once")
def jitter_drawn_once(case: Case) -> Finding | None:
    """Find clients that keep one draw, so that neighbours stay neighbours."""
    if case.never or not (case.rules.drawn_once and case.jitters):
        return None
    width_s = float(case.waits[4, 0] - case.waits[0, 0])
    return case.finding(
        "warning",
        f"Jitter is drawn once per client: who drew alike within {width_s:.3g} s attempts together "
        f"every time.",
        width_s,
        "s",
        "draw for each wait: drawn_once = false",
    )


@_rule("first-wait-together")
def first_wait_together(case: Case) -> Finding | None:
    """Find a first wait that is the same for all, where later ones are spread."""
    if case.never or not case.jitters:
        return None
    after_s = case.lost_s
    if after_s == inf and case.spans_s[0] > 0.0:
        return None
    first_s = float(case.waits[2, 0]) if after_s == inf else after_s
    return case.finding(
        "warning",
        f"The wait after a loss is {first_s:.3g} s for all: whoever was lost together comes back "
        f"together once, {case.clients:,} attempts at once.",
        float(case.clients),
        "attempts at once",
        "spread the first wait too",
    )


# --- the count of failures ---------------------------------------------------------------


@_rule("flapping")
def flapping(case: Case) -> Finding | None:
    """Find clients that a server which accepts and then closes makes attempt without end."""
    rules = case.rules
    if case.never or rules.stable_after_s > 0.0 or case.resets not in ("", "open", "none"):
        return None
    first_s = rules.after_loss_s
    if first_s == inf:
        first_s = float(np.mean([delay(rules, 1, 0.0, (i + 0.5) / 64) for i in range(64)]))
    per_s = min(1.0 / (first_s + _ROUND_TRIP_S), case.client.connect_budget.per_s)
    if per_s < 0.5 or (per_s < 5.0 and not grows(rules)):
        return None
    return case.finding(
        "error" if per_s >= 5.0 else "warning",
        f"The count resets on open: a server that accepts and then closes gets {per_s:.2g} "
        f"attempts/s from each client, at a round trip of {_ROUND_TRIP_S:g} s.",
        per_s,
        "attempts/s of each client",
        "count on until a connection has lasted: stable_after_s = 5 or more",
    )


@_rule("no-wait")
def no_wait(case: Case) -> Finding | None:
    """Find clients that hardly wait at all, however long an outage lasts."""
    if case.never or case.rules.max_attempts < _ATTEMPTS or case.waits[2, -1] >= 0.1:
        return None
    per_s = 1.0 / (float(case.waits[2, -1]) + _ROUND_TRIP_S)
    return case.finding(
        "error",
        f"However long an outage lasts, each client makes {per_s:.3g} attempts/s.",
        per_s,
        "attempts/s of each client",
        "let waits grow: factor = 2, cap_s = 30",
    )


@_rule("gives-up")
def gives_up(case: Case) -> Finding | None:
    """Find clients whose attempts are used up before an outage of a minute ends."""
    limit = case.rules.max_attempts
    if case.never:
        return case.finding(
            "warning",
            "It never reconnects: whoever uses it must.",
            0.0,
            "s",
            "reconnect in the application, or raise max_attempts",
        )
    if limit > 1000:
        return None
    waits = waits_s(case.rules, int(limit))[4]
    lost_s = 0.0 if case.lost_s == inf else case.lost_s
    # A loss that is no attempt's comes before the first failure, and its wait before all others.
    counted = waits if case.lost_s == inf else waits[:-1]
    lasts_s = lost_s + float(counted.sum())
    if lasts_s >= OUTAGE_S:
        return None
    return case.finding(
        "error",
        f"It gives up for good {lasts_s:.3g} s into an outage at the latest, after {limit:.0f} "
        f"attempts that are refused at once; outages of {OUTAGE_S:g} s are common.",
        lasts_s,
        "s",
        "attempt without end at a long cap: max_attempts = inf",
    )


@_rule("breaker-slows")
def breaker_slows(case: Case) -> Finding | None:
    """Find a breaker with which clients come back later than by their backoff alone."""
    breaker = case.client.breaker
    if breaker.trip_after == inf and breaker.failure_fraction == inf:
        return None
    # Before an open door, and with attempts without end: what else may hinder has its own rule.
    endless = replace(case.client, backoff=replace(case.rules, max_attempts=inf))
    late_s, alone_s = _back_s(endless), _back_s(replace(endless, breaker=Breaker()))
    if not late_s > 1.2 * alone_s + 1.0:
        return None
    return case.finding(
        "warning",
        f"The breaker makes recovery slower than the backoff alone: after outages of 20 to 45 s, "
        f"95 % are back in {late_s:.3g} s, without it in {alone_s:.3g} s.",
        late_s - alone_s,
        "s",
        f"let it refuse for no longer than the cap: open_s of at most {case.rules.cap_s:g}",
    )


def _back_s(client: Settings) -> float:
    """Return how soon 95 of 100 clients are back after outages, on average, by playing them."""
    late = [_late_s(storm(client, 60, outage_s)) for outage_s in _OUTAGES_S]
    return float(np.mean(late))


def _late_s(scenario: Scenario) -> float:
    back_s = np.sort(recovery_times_s(run(scenario.replace("server.accept_per_s", inf))))
    return float(back_s[int(0.95 * back_s.size) - 1])


# --- what a connection carries -----------------------------------------------------------


@_rule("heartbeat-slow")
def heartbeat_slow(case: Case) -> Finding | None:
    """Find pings that come too late for what lies between."""
    interval_s = case.client.heartbeat.interval_s
    idle_s = min(IDLE_S, case.scenario.path.idle_timeout_s)
    if interval_s == inf or interval_s < idle_s:
        return None
    return case.finding(
        "warning",
        f"The heartbeat of {interval_s:g} s is longer than common proxies keep an idle connection: "
        f"{idle_s:g} s.",
        interval_s,
        "s",
        f"ping sooner: interval_s below {idle_s:g}",
    )


@_rule("no-heartbeat")
def no_heartbeat(case: Case) -> Finding | None:
    """Find clients that cannot tell a dead connection from a quiet one."""
    if case.client.heartbeat.interval_s < inf:
        return None
    return case.finding(
        "info",
        "There is no heartbeat: a connection that died silently is noticed by the server alone, or "
        "never.",
        inf,
        "s",
        "set heartbeat.interval_s to 25 s or so, unless the server pings",
    )


@_rule("outbox-small")
def outbox_small(case: Case) -> Finding | None:
    """Find an outbox that overflows before the outage ends."""
    rate_per_s, capacity = case.scenario.workload.rate_per_s, case.client.outbox.capacity
    polls = case.client.fallback.after_attempts < inf
    if rate_per_s <= 0.0 or polls or rate_per_s * case.outage_s <= capacity:
        return None
    lasts_s = capacity / rate_per_s
    return case.finding(
        "warning",
        f"The outbox of {capacity:.0f} messages is full after {lasts_s:.3g} s at "
        f"{rate_per_s:g}/s; an outage of {case.outage_s:g} s brings "
        f"{rate_per_s * case.outage_s:,.0f}.",
        lasts_s,
        "s",
        f"make room for {rate_per_s * case.outage_s:,.0f}, coalesce by key, or let old ones expire",
    )


@_rule("outbox-unbounded")
def outbox_unbounded(case: Case) -> Finding | None:
    """Find an outbox that grows for as long as an outage lasts."""
    if case.client.outbox.capacity < inf:
        return None
    rate_per_s = case.scenario.workload.rate_per_s
    grown = rate_per_s * case.outage_s
    brings = f": {grown:,.0f} in an outage of {case.outage_s:g} s" if grown else ""
    return case.finding(
        "info",
        f"The outbox has no bound, and is flushed at once when the connection is back{brings}.",
        inf,
        "messages",
        "bound it: outbox.capacity, and say who yields: outbox.when_full",
    )


@_rule("resend-unbounded")
def resend_unbounded(case: Case) -> Finding | None:
    """Find messages that are sent again without end."""
    if case.client.outbox.max_resends < inf:
        return None
    return case.finding(
        "warning",
        "Messages are sent again without a bound: one that the server cannot take stays for ever.",
        inf,
        "resends",
        "bound it: outbox.max_resends = 5 or so",
    )


# --- many clients ------------------------------------------------------------------------


@_rule("polling-overload")
def polling_overload(case: Case) -> Finding | None:
    """Find a fallback whose polls are more than the server can answer."""
    fallback = case.client.fallback
    if fallback.after_attempts == inf and fallback.when_quality == Quality.OFFLINE:
        return None
    per_s = case.clients / fallback.poll_interval_s
    service_s = case.scenario.server.message_service_s
    works_per_s = case.scenario.gateways / service_s if service_s > 0.0 else inf
    can_per_s = min(case.serves_per_s, works_per_s)
    if per_s <= can_per_s:
        return None
    return case.finding(
        "warning",
        f"{case.clients:,} clients that poll every {fallback.poll_interval_s:g} s make "
        f"{per_s:,.3g} requests/s; the server can do {can_per_s:,.3g}/s.",
        per_s,
        "requests/s",
        f"poll every {case.clients / can_per_s:.3g} s or more seldom, or let fewer fall back",
    )


@_rule("storm-peak")
def storm_peak(case: Case) -> Finding | None:
    """Find a storm whose peak is above what the server accepts."""
    if case.never or case.serves_per_s == inf:
        return None
    peak_per_s = case.clients * peak_fraction(case.rules)
    if peak_per_s <= case.serves_per_s:
        return None
    return case.finding(
        "warning",
        f"After an outage of {_STORM_S:g} s, {case.clients:,} clients make up to "
        f"{peak_per_s:,.0f} attempts in a second; the server can do {case.serves_per_s:,.3g}/s.",
        peak_per_s,
        "attempts/s",
        "spread the waits further (jitter, a longer cap), or make room for the peak",
    )


def peak_fraction(rules: Backoff) -> float:
    """Return the most attempts in a second after an outage of 30 s, for each client.

    All were lost at once and are refused throughout; 300 of them are drawn.

    Examples
    --------
    >>> peak_fraction(Backoff(jitter="none", base_s=2, cap_s=2))
    1.0
    """
    moments = np.concatenate([_moments_s(rules, client) for client in range(_CLIENTS)])
    after = moments[(moments >= _STORM_S) & (moments < 2.0 * _STORM_S)]
    counts = np.histogram(after, np.arange(_STORM_S, 2.0 * _STORM_S + 1.0))[0]
    return float(counts.max()) / _CLIENTS


def _moments_s(rules: Backoff, client: int) -> list[float]:
    """Return when a client attempts while it is refused, up to twice the outage."""
    moments: list[float] = []
    now = 0.0 if rules.after_loss_s == inf else rules.after_loss_s + _ROUND_TRIP_S
    wait_s, attempt = 0.0, 0
    while now < 2.0 * _STORM_S and attempt < rules.max_attempts:
        attempt += 1
        stream = Stream.WAIT_ONCE if rules.drawn_once else Stream.WAIT
        u = uniform(1, client, stream, 0 if rules.drawn_once else attempt)
        wait_s = delay(rules, attempt, wait_s, u)
        now += waited(rules, wait_s, _ROUND_TRIP_S)
        moments.append(now)
        now += _ROUND_TRIP_S
    return moments
