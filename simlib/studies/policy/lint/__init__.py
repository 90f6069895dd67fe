"""Lint: static checks of a policy, each with the number behind it and what to do about it.

A rule is a function from one policy in its scenario to what it finds, or to nothing. It rests on a
closed form or on waits drawn by the core's `delay`; the one for the breaker plays a small storm.
Rules stand together by what they are about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from simlib.core.errors import SettingsError
from simlib.core.settings import Settings
from simlib.core.validation import nearest
from simlib.scenario.presets import RESETS, Preset, presets
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Workload
from simlib.studies.policy.lint.breakers import BREAKER_RULES
from simlib.studies.policy.lint.case import Case, Check, LintFindings
from simlib.studies.policy.lint.case import LintFinding as LintFinding
from simlib.studies.policy.lint.codes import CODE_RULES
from simlib.studies.policy.lint.crowds import CROWD_RULES
from simlib.studies.policy.lint.crowds import peak_fraction as peak_fraction
from simlib.studies.policy.lint.failures import FAILURE_RULES
from simlib.studies.policy.lint.front import FRONT_RULES
from simlib.studies.policy.lint.jitter import JITTER_RULES
from simlib.studies.policy.lint.messages import MESSAGE_RULES
from simlib.studies.policy.lint.options import Thresholds, lint_options
from simlib.studies.policy.lint.silence import SILENCE_RULES
from simlib.support.arguments import check_arguments
from simlib.support.plugins import load_plugins, need_function

#: From the worst down.
SEVERITIES = ("error", "warning", "info")
#: The rules by their ids, in the order of their checks.
RULES: dict[str, Check] = {
    **JITTER_RULES,
    **FAILURE_RULES,
    **BREAKER_RULES,
    **CODE_RULES,
    **SILENCE_RULES,
    **MESSAGE_RULES,
    **CROWD_RULES,
    **FRONT_RULES,
}
RULES |= load_plugins("lint_rules", list(RULES), need_function)


@check_arguments
def lint(
    target: Scenario | Preset,
    *,
    resets: str = "",
    ignore: Sequence[str] = (),
    thresholds: Mapping[str, float] | None = None,
) -> LintFindings:
    """Check the policies of a scenario, or a preset, without playing it.

    Parameters
    ----------
    target : Scenario or Preset
        All policies of a scenario are checked, those of its cohorts too, with its server, its
        faults and its workload; a preset alone is checked as 100 clients without a server's limits.
    resets : str
        What resets the count of failures, as a `Preset` says it; that of a preset is known. A
        count that needs more than an open connection outlasts a server that accepts and closes.
    ignore : sequence of str
        Rules that find nothing.
    thresholds : mapping, optional
        From which numbers on rules find something, such as ``{"outage_s": 300}``: names of
        `Thresholds`.

    Returns
    -------
    LintFindings
        A list of `LintFinding`, the worst first; empty if there is nothing to say.

    Raises
    ------
    SettingsError
        If ``resets`` is none of the words of a `Preset`, or there is no such rule or threshold.

    Examples
    --------
    >>> import simlib as sl
    >>> [finding.rule for finding in lint(sl.presets["sockette"])]
    ['no-jitter', 'ends-on-transient', 'stops-on-401-never', 'no-heartbeat']
    """
    if resets and resets not in RESETS:
        rule = f"must be one of {', '.join(RESETS)}{nearest(resets, list(RESETS))}"
        raise SettingsError("resets", resets, rule)
    options = lint_options(ignore, thresholds or {}, list(RULES))
    findings = []
    for case in _cases(target, resets, options.thresholds):
        for name, check in RULES.items():
            finding = None if name in options.ignore else check(case)
            if finding is not None:
                findings.append(replace(finding, rule=name))
    return LintFindings(sorted(findings, key=_rank))


def _rank(finding: LintFinding) -> tuple[int, bool]:
    # Of equally bad ones, that clients do not come back from the scenario's own faults is said
    # first: it is what a run shows.
    return SEVERITIES.index(finding.severity), finding.rule != "stopped-by-fault"


def _cases(target: Scenario | Preset, resets: str, thresholds: Thresholds) -> Iterator[Case]:
    scenario = alone(target) if isinstance(target, Preset) else target
    policies = {f"cohorts.{i}.client": cohort.client for i, cohort in enumerate(scenario.cohorts)}
    if len(scenario.policies) > len(policies):
        policies["client"] = scenario.client
    for where, client in policies.items():
        known = _preset(client)
        has_codes = known is None or known.codes != "none"
        resets_after = resets or ("" if known is None else known.resets)
        yield Case(where, client, scenario, resets_after, has_codes, known is not None, thresholds)


def _preset(client: Settings) -> Preset | None:
    """Return the preset that equals a client, if any: it has facts beside the settings."""
    return next((preset for preset in presets.values() if preset.client == client), None)


def alone(preset: Preset) -> Scenario:
    """Return the scenario that a preset is checked in: 100 clients that send nothing."""
    return Scenario(name=preset.name, client=preset.client, workload=Workload(rate_per_s=0))


def worst(findings: list[LintFinding]) -> str:
    """Return the worst severity among findings; "clean" without any.

    Examples
    --------
    >>> worst([])
    'clean'
    """
    severities = {finding.severity for finding in findings}
    return next((severity for severity in SEVERITIES if severity in severities), "clean")
