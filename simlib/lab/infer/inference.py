"""The result of an inference: the policy, its grounds, and the policy as a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

from simlib.core.backoff_kinds import Jitter
from simlib.core.card import Card, ShowsCard, count_in_words
from simlib.core.errors import SettingsError
from simlib.core.settings import Settings
from simlib.core.stops import Stops, codes_in
from simlib.lab.infer import findings as phases
from simlib.lab.infer import sequences
from simlib.lab.infer.bands import bands
from simlib.lab.infer.findings import AFTER_LOSS, LATENESS, WAITS_LEFT_OUT, Finding
from simlib.lab.infer.nearest import Near
from simlib.lab.infer.policy_fit import PolicyFit
from simlib.lab.infer.policy_settings import backoff_settings, round_to_digits, stop_settings
from simlib.metrics.words import table_card
from simlib.scenario.build import build
from simlib.scenario.origin import comment_origin, describe_origin
from simlib.support.json_values import jsonable
from simlib.support.made_by import KEY, current_command


@dataclass(frozen=True, repr=False)
class Inference(ShowsCard):
    """The result of an inference: the policy of the waits, and the findings of the phases."""

    source: str
    attempts: int
    clients: int
    #: None if there were not enough waits; ``why_not`` says so.
    fit: PolicyFit | None
    why_not: str
    findings: list[Finding]
    #: The known policies, the nearest first; empty without a policy.
    near: list[Near]
    #: The command, or the call in Python, that made it.
    made_by: str = field(default_factory=current_command)

    def finding(self, about: str) -> Finding:
        """Return what was found out about a setting, such as ``connect_timeout_s``."""
        return next(finding for finding in self.findings if finding.about == about)

    def _value(self, about: str) -> float | str | None:
        return next((finding.value for finding in self.findings if finding.about == about), None)

    @property
    def policy(self) -> dict[str, Any] | None:
        """The client's inferred settings, as a scenario has them; None without a policy."""
        if self.fit is None or self.fit.is_none or self.unjudged:
            return None
        settings: dict[str, Any] = {"backoff": backoff_settings(self.fit)}
        for finding in self.findings:
            if finding.about in _SETTINGS and isinstance(finding.value, float):
                *inside, name = finding.about.split(".")
                place = settings.setdefault(inside[0], {}) if inside else settings
                place[name] = round_to_digits(finding.value)
        for name in ("stable_after_s", "max_attempts"):
            value = self.finding(name).value
            if isinstance(value, float) and isfinite(value):
                settings["backoff"][name] = round_to_digits(value)
        heeds, after_loss_s = (self._value(about) for about in ("heeds Retry-After", AFTER_LOSS))
        if heeds is not None:
            settings["backoff"]["heeds_hint"] = heeds == "yes"
        if isinstance(after_loss_s, float):
            settings["backoff"]["after_loss_s"] = round_to_digits(after_loss_s)
        stops = stop_settings(self.codes)
        if Stops(**stops) != Stops():
            settings["stops"] = stops
        stable = self.finding("stable_after_s")
        if stable.value is None and stable.low > 0.0:
            settings["backoff"]["stable_after_s"] = round_to_digits(stable.low)  # at least
        return settings

    @property
    def codes(self) -> dict[int, bool]:
        """The statuses and close codes that the client got, and whether it came back after each."""
        return phases.codes(self.findings)

    @property
    def client(self) -> Settings:
        """The inferred client, for a scenario; settings that were not inferred have their defaults.

        Raises
        ------
        SettingsError
            If there is no policy.
        """
        return build(Settings, self._need_policy())

    def policy_toml(self) -> str:
        """Return a scenario with this client, for ``simlib run FILE``; its grounds as comments.

        Raises
        ------
        SettingsError
            If there is no policy to write.
        """
        import tomli_w

        policy, fit = self._need_policy(), self.fit
        assert fit is not None
        notes = [f"{self.source}: {self.verdict}"]
        notes += [f"{finding.about}: {finding.words}" for finding in self.findings]
        notes += [
            f"{parameter.name}: {parameter.note}" for parameter in fit.parameters if parameter.note
        ]
        unseen = [str(code) for code in codes_in(Stops().suspends_on) if code not in self.codes]
        if unseen:
            words = "not seen, so as by default: it rests until a sign-in, which is for good if"
            notes.append(f"after {', '.join(unseen)}: {words} nobody signs in")
        head = comment_origin(self.made_by) + "".join(f"# {note}\n" for note in notes)
        return f"{head}\n{tomli_w.dumps({'name': 'policy', 'client': policy})}"

    def numbers(self) -> pd.DataFrame:
        """Return the policy's numbers: a row per setting, with ``value``, ``low`` and ``high``."""
        rows = [] if self.fit is None else self.fit.parameters
        table = {
            parameter.name: (parameter.value, parameter.low, parameter.high) for parameter in rows
        }
        return pd.DataFrame.from_dict(table, orient="index", columns=["value", "low", "high"])

    def table(self) -> pd.DataFrame:
        """Return what was found out beside the waits: a row per finding, and what it rests on."""
        rows = {
            finding.about: (finding.value, finding.attempts, finding.words)
            for finding in self.findings
        }
        return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "attempts", "words"])

    def card(self) -> Card:
        """Return what is shown: the policy, its numbers, what the phases say, what is nearest."""
        numbers = self.numbers().rename_axis("setting").reset_index()
        findings = tuple(
            f"{finding.about}: {finding.words}" for finding in self.findings if finding.words
        )
        near = [
            f"nearest preset: {preset.name} ({preset.distance:.2g})" for preset in self.near[:1]
        ]
        return table_card(f"Policy: {self.verdict}", numbers, (*near, *findings))

    @property
    def unjudged(self) -> str:
        """Why the machine was too busy for the fit to be believed; empty if it may be."""
        if self.fit is None:
            return ""
        waits, lies = self.fit.waits, bands(self.fit.best.rules, self.fit.waits)
        left_out = self._value(WAITS_LEFT_OUT)
        count = left_out if isinstance(left_out, float) else 0.0
        share, was = count / (count + len(waits)), "was" if count == 1.0 else "were"
        words = f"{count_in_words(int(count), 'wait')} {was} not timed"
        if share > sequences.MOST_UNCERTAIN and (self.fit.is_none or len(waits) < _LEAST_LEFT):
            why = "no policy agrees with" if self.fit.is_none else "a policy needs more than"
            return f"{words} {sequences.CERTAINLY}, and {why} the other {len(waits)}"
        width_s = float(np.median(lies.high_s - lies.low_s))
        # What is left of a machine this busy is late by more than was measured of it: that is
        # little beside wide jitter, but would be taken for jitter where there is none.
        most = _HARDLY_ANY_LEFT if width_s > _WIDER * sequences.CERTAIN_S else _TOO_FEW_LEFT
        # An attempt of which no wait was timed well selects nothing among the waits of others.
        selected = count - len(self.fit.unsure)
        if selected / (selected + len(waits)) > most:
            return f"{words} {sequences.CERTAINLY}, so the other {len(waits)} are a selection"
        off_s = float(np.median(waits.late_s + waits.early_s))
        if 0.0 < width_s < _WIDER * off_s:
            words = f"waits vary by {width_s:.2g} s, and the machine was late by {off_s:.2g} s"
            return f"{words}: the one may be the other"
        return ""

    def _need_policy(self) -> dict[str, Any]:
        if self.policy is None:
            raise SettingsError("policy", self.source, f"cannot be written: {self.verdict}")
        return self.policy

    @property
    def verdict(self) -> str:
        """The policy's family in a sentence."""
        if self.fit is None:
            return self.why_not
        best, waits = self.fit.best, count_in_words(len(self.fit.waits), "wait")
        if self.unjudged:
            return f"could not be judged: {self.unjudged}"
        if self.fit.is_none:
            return f"none of these: the nearest, {best.name}, does not agree with {waits}"
        words, late_s = f"{best.name}, from {waits}", self._value(LATENESS)
        if isinstance(late_s, float) and best.rules.jitter == Jitter.NONE:
            words += f" that were up to {late_s:.2g} s late: a busy process, or jitter no wider"
        return words

    def to_json(self) -> dict[str, Any]:
        """Return everything as values for JSON."""
        document = {
            "source": self.source,
            "attempts": self.attempts,
            "clients": self.clients,
            "verdict": self.verdict,
            "policy": self.policy,
            "fit": None if self.fit is None else _fit_json(self.fit),
            "findings": [finding.to_json() for finding in self.findings],
            "nearest": [near._asdict() for near in self.near],
            KEY: describe_origin(self.made_by),
        }
        return dict(jsonable(document))


#: With a large share of them left out, "none of these" would be too much to say, or anything of so
#: few that are left.
_LEAST_LEFT = 24
#: With a share left out as large as this, nothing is to be said.
_HARDLY_ANY_LEFT = 0.75
#: The same where waits vary by no more than lateness makes them vary.
_TOO_FEW_LEFT = 0.4
#: Jitter must be so many times as wide as what lateness may have added.
_WIDER = 3.0
#: Findings that are settings of a client.
_SETTINGS = ("connect_timeout_s", "heartbeat.interval_s", "heartbeat.timeout_s")


def _fit_json(policy_fit: PolicyFit) -> dict[str, Any]:
    return {
        "family": None if policy_fit.is_none else policy_fit.best.name,
        "waits": len(policy_fit.waits),
        "timing_s": policy_fit.waits.blur_s,
        "parameters": [
            {"name": parameter.name, "value": parameter.value, "low": parameter.low}
            | {"high": parameter.high, "note": parameter.note}
            for parameter in policy_fit.parameters
        ],
        "families": [
            {
                "name": candidate.name,
                "bic": candidate.bic,
                "agrees": candidate.goodness.is_good,
                "outside_fraction": candidate.goodness.outside_fraction,
                "late_fraction": candidate.goodness.late_fraction,
                "distance": candidate.goodness.distance,
                "chance": candidate.goodness.chance,
                "attempt": candidate.goodness.attempt,
            }
            for candidate in policy_fit.candidates
        ],
    }
