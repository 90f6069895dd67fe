"""Rules on connections that die silently: does anybody notice?"""

from __future__ import annotations

from math import inf

from simlib.study.lint.case import Case, Check, Finding

#: Proxies in common use forget a connection that was idle for this long, the first of them: 55 s
#: (a router of Heroku's), 60 s (AWS load balancers, nginx).
IDLE_S = 55.0


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


#: The rules of this file by their ids, in the order of their checks.
RULES: dict[str, Check] = {
    "heartbeat-slow": heartbeat_slow,
    "no-heartbeat": no_heartbeat,
}
