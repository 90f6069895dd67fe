"""The place of each finding: the key of the setting to be changed, and its line in a file."""

from __future__ import annotations

from pathlib import Path

from simlib.scenario.lines import key_lines, line_of
from simlib.studies.policy.lint.case import LintFinding
from simlib.support.toml_files import read_toml_text

#: The settings that rules are about: within a policy, or after a slash of the whole scenario.
RULE_KEYS = {
    "no-jitter": "backoff.jitter",
    "jitter-first-only": "backoff.jitter",
    "jitter-dies-at-cap": "backoff.jitter_place",
    "jitter-narrow": "backoff.jitter",
    "jitter-drawn-once": "backoff.drawn_once",
    "first-wait-together": "backoff.first_s",
    "flapping": "backoff.stable_after_s",
    "no-wait": "backoff.factor",
    "gives-up": "backoff.max_attempts",
    "gives-up-silently": "fallback.after_attempts",
    "breaker-slows": "breaker.open_s",
    "breaker-never-trips": "breaker",
    "breaker-trips-together": "breaker.open_spread_fraction",
    "ends-on-transient": "stops.ends_on",
    "stops-on-401-never": "stops.suspends_on",
    "stopped-by-fault": "stops",
    "hint-uncapped": "backoff.hint_cap_s",
    "heartbeat-slow": "heartbeat.interval_s",
    "no-heartbeat": "heartbeat.interval_s",
    "outbox-small": "outbox.capacity",
    "outbox-unbounded": "outbox.capacity",
    "resend-unbounded": "outbox.max_resends",
    "polling-overload": "fallback.poll_interval_s",
    "storm-peak": "backoff.cap_s",
    "crowded-address": "/server.per_address.burst",
    "ages-together": "/server.max_connection_age_jitter_fraction",
}


def key_of(finding: LintFinding) -> str:
    """Return the path of the setting that a finding is about.

    Examples
    --------
    >>> key_of(LintFinding("no-jitter", "error", "cohorts.0.client", "", 0, "", ""))
    'cohorts.0.client.backoff.jitter'
    """
    if finding.rule not in RULE_KEYS:
        return finding.where  # a plug-in's rule, which names no setting
    key = RULE_KEYS[finding.rule]
    return key.removeprefix("/") if key.startswith("/") else f"{finding.where}.{key}"


def lines_of(file: Path | None) -> dict[str, int]:
    """Return the lines of a file's keys; none without a file."""
    return {} if file is None else key_lines(read_toml_text(file))


def find_line(finding: LintFinding, lines: dict[str, int]) -> int:
    """Return the line that a finding points to: its key's, or that of the table around it."""
    return line_of(lines, key_of(finding))
