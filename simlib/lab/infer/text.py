"""An inferred policy as text for a terminal."""

from __future__ import annotations

from math import isfinite

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simlib.core.card import count_in_words
from simlib.lab.infer.findings import Finding
from simlib.lab.infer.inference import Inference
from simlib.lab.infer.policy_fit import PolicyFit

#: So many presets are named.
_NEAREST = 3


def inference_in_words(inference: Inference) -> Group:
    """Return an inference as text for a terminal: policy, findings, and what is unknown."""
    seen = f": {count_in_words(inference.attempts, 'attempt')}"
    if inference.attempts:
        seen += f" of {count_in_words(inference.clients, 'client')}"
    parts: list[RenderableType] = [Text.assemble((inference.source, "bold"), seen), ""]
    parts += [_verdict(inference), ""]
    if inference.fit is not None:
        parts += [_numbers(inference.fit), "", _families(inference.fit), ""]
    told = [finding for finding in inference.findings if finding.is_told]
    untold = [finding for finding in inference.findings if not finding.is_told]
    if told:
        parts += [_findings(told), ""]
    if untold:
        parts += [_untold(untold), ""]
    if inference.near:
        nearest = ", ".join(
            f"{near.name} ({near.distance:.2g})" for near in inference.near[:_NEAREST]
        )
        parts += [f"Nearest presets, by the share in which their waits differ: {nearest}.", ""]
    return Group(*parts[:-1])


def _verdict(inference: Inference) -> Text:
    is_bad = inference.policy is None
    return Text(f"Policy: {inference.verdict}.", "bold yellow" if is_bad else "bold")


def _table(*names: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for name in names:
        table.add_column(name, justify="right" if name in right else "left")
    return table


def _interval(low: float, high: float) -> str:
    if not isfinite(low) and not isfinite(high):
        return "-"
    return f"at least {low:.4g}" if not isfinite(high) else f"{low:.4g} .. {high:.4g}"


def _numbers(policy_fit: PolicyFit) -> Table:
    table = _table("setting", "value", "95 % interval", "", right=("value",))
    for parameter in policy_fit.parameters:
        value = f"{parameter.value:.4g}" if isfinite(parameter.value) else "-"
        table.add_row(
            parameter.name, value, _interval(parameter.low, parameter.high), parameter.note
        )
    return table


def _families(policy_fit: PolicyFit) -> Table:
    """Return how the best families compare: the criterion above the best one's, and the test."""
    right = ("BIC above", "outside", "late")
    table = _table("family", *right, "agrees", right=right)
    least = min(candidate.bic for candidate in policy_fit.candidates)
    for candidate in policy_fit.candidates[:4]:
        good = candidate.goodness
        # Without jitter there is no place in a band, so no test of it either.
        tested = f" (p {good.chance:.1g})" if good.chance < 1.0 else ""
        agrees = ("yes" if good.is_good else "no") + tested
        above = f"{candidate.bic - least:,.0f}"
        shares = (f"{100.0 * share:.1f} %" for share in (good.outside_fraction, good.late_fraction))
        table.add_row(candidate.name, above, *shares, agrees)
    return table


def _findings(told: list[Finding]) -> Table:
    table = _table("found", "value", "interval", "attempts", "", right=("value", "attempts"))
    for finding in told:
        value = finding.value if isinstance(finding.value, str) else f"{finding.value:.4g}"
        words = (
            ""
            if isinstance(finding.value, str) and finding.about.startswith("after ")
            else finding.words
        )
        table.add_row(
            finding.about, value, _interval(finding.low, finding.high), str(finding.attempts), words
        )
    return table


def _untold(untold: list[Finding]) -> Table:
    table = _table("not known", "why")
    for finding in untold:
        table.add_row(finding.about, finding.words)
    return table
