"""Lint rules on connections that die silently: does the client notice?"""

from __future__ import annotations

from math import inf

from simlib.studies.policy.lint.case import Case, Check, LintFinding
from simlib.trace.disruptions import may_die_unnoticed


def heartbeat_slow(case: Case) -> LintFinding | None:
    """Find pings that come too late for what lies between."""
    interval_s = case.client.heartbeat.interval_s
    idle_s, who = _ends_idle(case)
    if interval_s == inf or interval_s < idle_s:
        return None
    return case.finding(
        "warning",
        f"The heartbeat of {interval_s:g} s is longer than {who}: {idle_s:g} s.",
        interval_s,
        "s",
        f"ping sooner: interval_s below {idle_s:g}",
    )


def _ends_idle(case: Case) -> tuple[float, str]:
    """Return after how long an idle connection ends, and what ends it."""
    path_s, server_s = case.scenario.path.idle_timeout_s, case.scenario.server.silence_timeout_s
    if min(path_s, server_s) == inf:
        return case.thresholds.idle_timeout_s, (
            "common proxies keep an idle connection (some forget it, as path.idle_timeout_s says, "
            "many close it, as path.idle_action = close says)"
        )
    if path_s <= server_s:
        return path_s, "its path keeps an idle connection (path.idle_timeout_s)"
    return server_s, "its server keeps a silent connection open (server.silence_timeout_s)"


def no_heartbeat(case: Case) -> LintFinding | None:
    """Find clients that cannot tell a dead connection from a quiet one."""
    if case.client.heartbeat.interval_s < inf:
        return None
    dies = may_die_unnoticed(case.scenario)
    here = ", as in this scenario" if dies else ""
    return case.finding(
        "warning" if dies else "info",
        f"There is no heartbeat: a connection that died silently{here} is noticed by the server "
        "alone, or never, and availability_fraction counts it as good until then.",
        inf,
        "s",
        "set heartbeat.interval_s to 25 s or so, unless the server pings; after "
        "path.idle_timeout_s many proxies close idle connections (path.idle_action = close), and "
        "some forget them without a word",
    )


#: The rules of this file by their ids, in the order of their checks.
SILENCE_RULES: dict[str, Check] = {
    "heartbeat-slow": heartbeat_slow,
    "no-heartbeat": no_heartbeat,
}
