"""Infer a client's reconnect policy from an observation of its attempts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from simlib.core.backoff import Backoff, ceiling
from simlib.core.backoff_kinds import Jitter
from simlib.core.card import Card, ShowsCard
from simlib.core.client import Settings
from simlib.core.errors import FileError, SettingsError
from simlib.core.stops import Stops, as_codes, codes_in
from simlib.lab.infer import findings as phases
from simlib.lab.infer import reset_rule, sequences
from simlib.lab.infer.bands import bands
from simlib.lab.infer.findings import FEWEST_TIMES, Finding
from simlib.lab.infer.fit import BLUR_S, LEAST_WAITS, PolicyFit, fit, with_intervals
from simlib.lab.infer.likelihood import wait_places
from simlib.lab.infer.nearest import Near, nearest_policies
from simlib.lab.infer.reset_rule import known_waits
from simlib.lab.infer.sequences import ResetRule
from simlib.lab.observe.observation import Observation, is_observation
from simlib.lab.observe.script import AS_DATE
from simlib.metrics.words import table_card
from simlib.scenario.build import build
from simlib.scenario.presets import presets
from simlib.support.arguments import check_arguments
from simlib.support.json_values import jsonable
from simlib.trace.trace import is_trace

#: Hypotheses on counting that explain the waits so nearly alike are not told apart.
_TOLD = 5.0
#: A policy's waits are this unlikely to be as long as a hint, if it does not heed it.
_UNLIKELY = 0.01


@dataclass(frozen=True, repr=False)
class Inference(ShowsCard):
    """What an observation says: the policy of the waits, and what the phases say beside it."""

    source: str
    attempts: int
    clients: int
    #: None if there were not enough waits; ``why_not`` says so.
    fit: PolicyFit | None
    why_not: str
    findings: list[Finding]
    #: The known policies, the nearest first; empty without a policy.
    near: list[Near]

    def finding(self, about: str) -> Finding:
        """Return what was found out about a setting, such as ``connect_timeout_s``."""
        return next(each for each in self.findings if each.about == about)

    def _value(self, about: str) -> float | str | None:
        return next((each.value for each in self.findings if each.about == about), None)

    @property
    def policy(self) -> dict[str, Any] | None:
        """The client's settings that were told, as a scenario has them; None without a policy."""
        if self.fit is None or self.fit.is_none or self.unjudged:
            return None
        settings: dict[str, Any] = {"backoff": _backoff(self.fit)}
        for each in self.findings:
            if each.about in _SETTINGS and isinstance(each.value, float):
                *inside, name = each.about.split(".")
                place = settings.setdefault(inside[0], {}) if inside else settings
                place[name] = _round(each.value)
        for name in ("stable_after_s", "max_attempts"):
            value = self.finding(name).value
            if isinstance(value, float) and isfinite(value):
                settings["backoff"][name] = _round(value)
        heeds, after_loss_s = (self._value(about) for about in ("heeds Retry-After", AFTER_LOSS))
        if heeds is not None:
            settings["backoff"]["heeds_hint"] = heeds == "yes"
        if isinstance(after_loss_s, float):
            settings["backoff"]["after_loss_s"] = _round(after_loss_s)
        stops = _stops(self.codes)
        if Stops(**stops) != Stops():
            settings["stops"] = stops
        stable = self.finding("stable_after_s")
        if stable.value is None and stable.low > 0.0:
            settings["backoff"]["stable_after_s"] = _round(stable.low)  # at least
        return settings

    @property
    def codes(self) -> dict[int, bool]:
        """The statuses and close codes that it was given, and whether it came back after each."""
        return phases.codes(self.findings)

    @property
    def client(self) -> Settings:
        """The client that was told, for a scenario; what was not told is as by default.

        Raises
        ------
        SettingsError
            If there is no policy.
        """
        return build(Settings, self._told_policy())

    def policy_toml(self) -> str:
        """Return a scenario with this client, for ``simlib run FILE``; its grounds as comments.

        Raises
        ------
        SettingsError
            If there is no policy to write.
        """
        import tomli_w

        policy, fit = self._told_policy(), self.fit
        assert fit is not None
        notes = [f"{self.source}: {self.verdict}"]
        notes += [f"{each.about}: {each.words}" for each in self.findings]
        notes += [f"{each.name}: {each.note}" for each in fit.parameters if each.note]
        unseen = [str(code) for code in codes_in(Stops().suspends_on) if code not in self.codes]
        if unseen:
            words = "not seen, so as by default: it rests until a sign-in, which is for good if"
            notes.append(f"after {', '.join(unseen)}: {words} nobody signs in")
        head = "".join(f"# {note}\n" for note in notes)
        return f"{head}\n{tomli_w.dumps({'name': 'policy', 'client': policy})}"

    def numbers(self) -> pd.DataFrame:
        """Return the policy's numbers: a row per setting, with ``value``, ``low`` and ``high``."""
        rows = [] if self.fit is None else self.fit.parameters
        table = {each.name: (each.value, each.low, each.high) for each in rows}
        return pd.DataFrame.from_dict(table, orient="index", columns=["value", "low", "high"])

    def table(self) -> pd.DataFrame:
        """Return what was found out beside the waits: a row per finding, and what it rests on."""
        rows = {each.about: (each.value, each.attempts, each.words) for each in self.findings}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "attempts", "words"])

    def card(self) -> Card:
        """Return what is shown: the policy, its numbers, what the phases say, what is nearest."""
        numbers = self.numbers().rename_axis("setting").reset_index()
        found = tuple(f"{each.about}: {each.words}" for each in self.findings if each.words)
        near = [f"nearest preset: {each.name} ({each.distance:.2g})" for each in self.near[:1]]
        return table_card(f"Policy: {self.verdict}", numbers, (*near, *found))

    @property
    def unjudged(self) -> str:
        """Why the machine was too busy for the fit to be believed; empty if it may be."""
        if self.fit is None:
            return ""
        waits, lies = self.fit.waits, bands(self.fit.best.rules, self.fit.waits)
        left_out = self._value(WAITS_LEFT_OUT)
        count = left_out if isinstance(left_out, float) else 0.0
        share, words = count / (count + len(waits)), f"{count:.0f} waits were not timed"
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

    def _told_policy(self) -> dict[str, Any]:
        if self.policy is None:
            raise SettingsError("policy", self.source, f"cannot be written: {self.verdict}")
        return self.policy

    @property
    def verdict(self) -> str:
        """The policy's family in a sentence."""
        if self.fit is None:
            return self.why_not
        best, count = self.fit.best, len(self.fit.waits)
        if self.unjudged:
            return f"could not be judged: {self.unjudged}"
        if self.fit.is_none:
            return f"none of these: the nearest, {best.name}, does not agree with {count} waits"
        return f"{best.name}, from {count} waits"

    def to_json(self) -> dict[str, Any]:
        """Return everything as values for JSON."""
        document = {
            "source": self.source,
            "attempts": self.attempts,
            "clients": self.clients,
            "verdict": self.verdict,
            "policy": self.policy,
            "fit": None if self.fit is None else _fit_json(self.fit),
            "findings": [each.to_json() for each in self.findings],
            "nearest": [near._asdict() for near in self.near],
        }
        return dict(jsonable(document))


def _stops(codes: Mapping[int, bool]) -> dict[str, Any]:
    """Return what stops a client that came back after some codes and not after others.

    A code of a session that it did not come back after stays one: nobody signed in there.
    """
    sessions = set(codes_in(Stops().suspends_on))
    suspends = {code for code in sessions if not codes.get(code)}
    ends = {code for code, came_back in codes.items() if not came_back} - sessions
    return {"ends_on": list(as_codes(ends)), "suspends_on": list(as_codes(suspends))}


#: The finding of waits that were not timed well enough.
WAITS_LEFT_OUT = "waits left out"
#: With a large share of them left out, "none of these" would be too much to say, or anything of so
#: few that are left.
_LEAST_LEFT = 24
#: With a share left out as large as this, nothing is to be said.
_HARDLY_ANY_LEFT = 0.75
#: The same where waits vary by no more than lateness makes them vary.
_TOO_FEW_LEFT = 0.4
#: Jitter must be so many times as wide as what lateness may have added.
_WIDER = 3.0
#: The finding of a wait after a loss that does not count.
AFTER_LOSS = "wait after a lost connection"
#: Findings that are settings of a client.
_SETTINGS = ("connect_timeout_s", "heartbeat.interval_s", "heartbeat.timeout_s")


def _fit_json(found: PolicyFit) -> dict[str, Any]:
    return {
        "family": None if found.is_none else found.best.name,
        "waits": len(found.waits),
        "timing_s": found.blur_s,
        "parameters": [
            {"name": each.name, "value": each.value, "low": each.low}
            | {"high": each.high, "note": each.note}
            for each in found.parameters
        ],
        "families": [
            {
                "name": each.name,
                "bic": each.bic,
                "agrees": each.goodness.is_good,
                "outside_fraction": each.goodness.outside_fraction,
                "late_fraction": each.goodness.late_fraction,
                "distance": each.goodness.distance,
                "chance": each.goodness.chance,
                "attempt": each.goodness.attempt,
            }
            for each in found.candidates
        ],
    }


def _backoff(found: PolicyFit) -> dict[str, Any]:
    """Return the backoff's settings as TOML has them: the numbers to four digits."""
    best = found.best
    settings = {name: _plain(value) for name, value in best.family.fixed.items()}
    if best.family.steps is not None:
        return settings | _table(best.rules) | _more(found, ("spread_fraction", "first_s"))
    steps_s = []
    for each in found.parameters:
        if each.name.startswith("steps_s["):
            steps_s.append(_round(max(0.0, each.value)))
        elif isfinite(each.value):
            settings[each.name] = _round(each.value)
    if steps_s:
        settings |= {"steps_s": steps_s, "cap_s": max(steps_s), "base_s": max(1e-4, min(steps_s))}
    if "cap_s" not in settings:
        # What was not seen is not made up: the ceiling stays at the highest that was.
        seen_s = ceiling(best.rules, int(found.waits.attempts[-1]))
        settings["cap_s"] = _round(max(seen_s, settings["base_s"], settings.get("first_s", 0.0)))
    return settings


def _table(rules: Backoff) -> dict[str, Any]:
    """Return the settings of a table of steps: what repeats at its end is said once."""
    steps_s = [_round(step_s) for step_s in rules.steps_s]
    while len(steps_s) > 1 and steps_s[-1] == steps_s[-2]:
        steps_s.pop()
    return {"steps_s": steps_s, "cap_s": max(steps_s), "base_s": max(1e-4, min(steps_s))}


def _more(found: PolicyFit, names: tuple[str, ...]) -> dict[str, Any]:
    return {each.name: _round(each.value) for each in found.parameters if each.name in names}


def _plain(value: Any) -> Any:
    return value.name.lower() if isinstance(value, IntEnum) else value


def _round(value: float) -> float:
    return float(f"{value:.4g}")


# --- from attempts to a policy -----------------------------------------------------------


@check_arguments
def infer(
    observation: str | Path | Observation | pd.DataFrame,
    *,
    known: Mapping[str, Backoff] | None = None,
    blur_s: float | None = None,
) -> Inference:
    """Tell a client's reconnect policy from an observation of its attempts.

    Parameters
    ----------
    observation : str, path, Observation or DataFrame
        A Parquet file as ``simlib observe`` writes it, what it holds, or its table alone: a row
        per attempt.
    known : mapping, optional
        Known policies by name, of which the nearest are told; by default all presets.
    blur_s : float, optional
        Standard deviation of the timing errors, in s; by default it is looked for, from 2 ms.

    Returns
    -------
    Inference
        The policy with intervals, and what each phase says beside it.

    Raises
    ------
    SettingsError
        If the file is no observation, or there is no attempt in it.

    Examples
    --------
    >>> sl.infer("data/recordings/client.parquet").verdict  # doctest: +SKIP
    'exponential, full jitter, from 312 waits'
    """
    source, frame, end_s = _read(observation)
    try:
        rows = sequences.check_attempts(frame)
    except SettingsError as error:
        if isinstance(observation, (str, Path)):
            raise FileError(observation, error.rule, error.key, error.value) from error
        raise
    end_s = max(end_s, float(rows["ended_s"].fillna(rows["accept_s"]).max()))
    followed = sequences.pairs(rows)
    counting, found, why_not = _infer_policy(followed, blur_s)
    waits = sequences.number_waits(followed, counting)
    blurred_s = BLUR_S if found is None else found.blur_s
    longest_s = float(followed["wait_s"].max()) if len(followed) else 0.0
    findings = [
        phases.connect_timeout(rows, blurred_s),
        *phases.heartbeat(rows, blurred_s),
        _resets(followed, found, counting),
        phases.most_attempts(_with_failures(rows, waits, found, counting), waits, longest_s, end_s),
        *_hint_findings(waits, found, blurred_s),
        _once(found),
        *_apart(waits, found, counting),
        *_count_left_out(waits),
        *phases.stops(rows, longest_s, end_s),
    ]
    near = []
    if known is None:
        known = {
            name: each.client.backoff for name, each in presets.items() if each.kind != "algorithm"
        }
    if found is not None and not found.is_none:
        near = nearest_policies(found.best.rules, known, int(found.waits.attempts[-1]))
    clients = int(rows["client"].nunique())
    return Inference(source, len(rows), clients, found, why_not, findings, near)


def _read(observation: str | Path | Observation | pd.DataFrame) -> tuple[str, pd.DataFrame, float]:
    """Return the name of an observation, its attempts, and how long was watched."""
    if isinstance(observation, pd.DataFrame):
        return "observation", observation, 0.0
    if isinstance(observation, Observation):
        return "observation", observation.frame(), observation.observed_s
    if not Path(observation).is_file():
        rule = "is no file: simlib observe --out writes one"
        raise SettingsError("observation", str(observation), rule)
    try:
        if is_observation(observation):
            seen = Observation.load(observation)
            return Path(observation).name, seen.frame(), seen.observed_s
        if is_trace(observation):
            rule = "is the trace of a run: simlib observe writes what infer reads"
            raise FileError(observation, rule)
        return Path(observation).name, pd.read_parquet(observation), 0.0
    except OSError as error:
        rule = f"cannot be read: {error.strerror or error}"
        raise SettingsError("observation", str(observation), rule) from error
    except SettingsError:
        raise
    except ValueError as error:  # pyarrow's errors are such
        rule = "is not a Parquet file of attempts, as simlib observe writes it"
        raise SettingsError("observation", str(observation), rule) from error


def _infer_policy(
    followed: pd.DataFrame, blur_s: float | None
) -> tuple[ResetRule, PolicyFit | None, str]:
    """Return how the client counts, its policy, or why there is none: each is told by the other."""
    counting = reset_rule.guess_reset_rule(followed)
    found: PolicyFit | None = None
    for _ in range(_ROUNDS):
        found, why_not = _fit(sequences.number_waits(followed, counting), blur_s, found)
        if found is None:
            return counting, None, why_not
        better = reset_rule.infer_reset_rule(followed, found, counting).counting
        if better == counting:
            break
        counting = better
    assert found is not None
    if found.is_none:
        # Where each loss is followed by the same wait, numbers alone do not say what it is.
        other = ResetRule(counting.stable_after_s, not counting.counts_loss)
        if other in sequences.hypotheses(followed):
            tried, _ = _fit(sequences.number_waits(followed, other), blur_s, found)
            if tried is not None and not tried.is_none:
                counting, found = other, tried
    apart = not counting.counts_loss and not found.is_none
    if apart and not _shows_apart(followed, counting, found):
        words = f"waits after a loss differ, all others agree with {found.best.name}"
        words += ", so which wait is the first of a row is unknown"
        return counting, None, f"could not be judged: {words}"
    return counting, with_intervals(found), ""


def _shows_apart(followed: pd.DataFrame, counting: ResetRule, apart: PolicyFit) -> bool:
    """Whether a fit in which waits after a loss stand apart is more than the rest of a longer row.

    Without jitter, leaving the first waits out always leaves such a row, each number one too small,
    unless its own first wait is spread.
    Only a first wait that follows no loss, as of a client never open yet, shows it to be whole.
    """
    rules = apart.best.rules
    if rules.jitter != Jitter.NONE or (rules.first_s < inf and rules.first_jitter != Jitter.NONE):
        return True
    ways = (counting, ResetRule(counting.stable_after_s))
    is_first = [sequences.number_waits(followed, each)["attempt"] == 1 for each in ways]
    return bool((is_first[0] & is_first[1]).any())


_ROUNDS = 3


def _fit(
    waits: pd.DataFrame, blur_s: float | None, near: PolicyFit | None
) -> tuple[PolicyFit | None, str]:
    """Return the fit, or why there is none; waits after an answer that is unlike are left out."""
    usable = sequences.select_for_fit(waits)
    if len(usable) < LEAST_WAITS:
        words = f"not enough attempts in a row: {len(usable)} of at least {LEAST_WAITS} waits"
        return None, f"{words}; a longer phase status 503 or silent tells more"
    is_uncertain = sequences.is_uncertain(usable)
    seen, uncertain, usable = len(usable), usable[is_uncertain], usable[~is_uncertain]
    if len(usable) < LEAST_WAITS:
        words = (
            f"could not be judged: of {seen} waits {len(usable)} were timed {sequences.CERTAINLY}"
        )
        words += f", of at least {LEAST_WAITS}; observe it on a machine that is less busy"
        return None, words
    found = fit(usable, blur_s, intervals=False, near=near, uncertain=uncertain)
    odd = [rows for _, rows in _odd(usable, found.best.rules, found.blur_s)]
    if found.is_none:
        # The waits after one answer may have bent the fit so far that others seem to be odd.
        odd = _unlike_all_others(usable) or odd
    kept = _without(pd.concat(odd), usable) if odd else usable
    if len(usable) > len(kept) >= max(LEAST_WAITS, len(usable) // 2):
        # A fit that agrees with nothing is no place to begin at.
        near = None if found.is_none else found
        return fit(kept, blur_s, intervals=False, near=near, uncertain=uncertain), ""
    return found, ""


def _without(odd: pd.DataFrame, waits: pd.DataFrame) -> pd.DataFrame:
    """Return the waits without the odd ones and what follows them in the same row.

    Where a client has come back by a rule of its own, it may have begun to count anew.
    """
    is_odd = waits.index.isin(odd.index)
    # A row begins with the first failure; each has a number, counted on from client to client.
    row = ((waits["attempt"] == 1) | (waits["client"] != waits["client"].shift())).cumsum()
    follows_odd = pd.Series(is_odd, waits.index).groupby(row).cummax()
    return waits[~follows_odd]


def _unlike_all_others(waits: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the waits after each answer that are far from those after all other answers.

    Far is: each is less than half of the least or more than twice the greatest of the others. No
    policy is needed to see that, such as where a client comes back at once after one close code.
    """
    found = []
    for _, rows in waits.groupby(["kind", "detail"], sort=False):
        others_s = waits.drop(rows.index)["wait_s"]
        is_far = (rows["wait_s"] < others_s.min() / 2.0) | (rows["wait_s"] > 2.0 * others_s.max())
        if len(rows) > 1 and is_far.all():
            found.append(rows)
    return found


# --- what the policy says of the phases ----------------------------------------------------


def _resets(followed: pd.DataFrame, found: PolicyFit | None, counting: ResetRule) -> Finding:
    """Return how long a connection must be open before the count of failures resets."""
    about = "stable_after_s"
    open_s = np.sort(followed["open_s"].dropna().to_numpy(np.float64))
    tells = "phase open_then_cut tells it"
    if open_s.size < FEWEST_TIMES or found is None:
        return phases.not_enough(about, "open_then_cut", open_s.size, FEWEST_TIMES, tells)
    limits = reset_rule.infer_reset_rule(followed, found, counting).limits
    top = max(score for _, score in limits)
    likely = [limit for limit, score in limits if score > top - _TOLD]
    if len(likely) == len(limits):
        words = "its waits are the same whether the count resets or not: no phase can tell"
        if len(np.unique(bands_of(found.best.rules))) > 1:
            words = f"too few waits followed each other after a loss; a longer {tells}"
        return Finding(about, None, nan, nan, open_s.size, words)
    # A limit stands between two times that were seen: it may be anywhere between these.
    shorter, longer = open_s[open_s < likely[0]], open_s[open_s >= likely[-1]]
    low = float(shorter[-1]) if shorter.size else 0.0
    high = float(longer[0]) if longer.size else inf
    if likely[0] == 0.0:
        words = f"its count resets on open, or at most {high:.3g} s later"
        return Finding(about, 0.0, 0.0, high, open_s.size, words)
    if high == inf:
        words = f"its count does not reset within {low:.3g} s of being open; a longer {tells}"
        return Finding(about, None, low, inf, open_s.size, words)
    words = f"its count resets when it has been open for {low:.3g} to {high:.3g} s"
    return Finding(about, (low + high) / 2.0, low, high, open_s.size, words)


def bands_of(rules: Backoff) -> list[float]:
    """Return the ceilings of a policy's first waits."""
    return [round(ceiling(rules, attempt), 6) for attempt in range(1, 6)]


def _hint_findings(
    waits: pd.DataFrame, found: PolicyFit | None, blur_s: float
) -> Iterator[Finding]:
    """Yield whether Retry-After is heeded: in seconds, and as a date where that was tried."""
    dated = waits["detail"].astype(str).str.endswith(AS_DATE)
    yield _heeds("heeds Retry-After", waits[~dated], found, blur_s)
    if dated.any():
        yield _heeds("heeds Retry-After as a date", waits[dated], found, blur_s)


def _heeds(about: str, waits: pd.DataFrame, found: PolicyFit | None, blur_s: float) -> Finding:
    """Return whether the client waits at least as long as a Retry-After asks."""
    hinted = waits[waits["retry_after_s"] > 0.0]
    tells = "a phase status 503 with Retry-After tells it"
    if hinted.empty:
        return phases.not_enough(about, "status with Retry-After", 0, 1, tells)
    count = len(hinted)
    over_s = (hinted["wait_s"] - hinted["retry_after_s"]).to_numpy(np.float64)
    # Where the lab was late to note an end, a wait looks shorter than it was.
    unsure_s = hinted["early_s"].fillna(0.0).to_numpy() if "early_s" in hinted else 0.0
    early = int((over_s + unsure_s < -(0.05 + 5.0 * blur_s)).sum())
    if early:
        words = f"came back before the time it was told, {early} of {count} times"
        return Finding(about, "no", nan, nan, count, words)
    if found is None or found.is_none or not _unlikely(hinted, found):
        words = "its own waits are as long as the hint; a longer Retry-After tells it"
        return Finding(about, None, nan, nan, count, words)
    words = f"waited for it {count} of {count} times, and up to {over_s.max():.3g} s longer"
    return Finding(about, "yes", nan, nan, count, words)


def _unlikely(hinted: pd.DataFrame, found: PolicyFit) -> bool:
    """Whether a client that does not heed would hardly wait so long each time."""
    numbers = known_waits(hinted[hinted["attempt"] > 0])
    if not len(numbers):
        return False
    hint_s = hinted.loc[hinted["attempt"] > 0, "retry_after_s"].to_numpy(np.float64)[: len(numbers)]
    lies = bands(found.best.rules, numbers)
    width_s = np.maximum(lies.high_s - lies.low_s, 1e-9)
    longer = np.clip((lies.high_s + found.blur_s - hint_s) / width_s, 0.0, 1.0)
    return float(np.prod(longer)) < _UNLIKELY


def _count_left_out(waits: pd.DataFrame) -> list[Finding]:
    """Return how many waits were left out of the policy since the machine was late."""
    usable = sequences.select_for_fit(waits)
    uncertain = sequences.is_uncertain(usable)
    if not uncertain.any():
        return []
    off_s = (usable["late_s"] + usable["early_s"]).max()
    words = (
        f"the machine was busy: these were not timed {sequences.CERTAINLY}, by up to {off_s:.2g} s"
    )
    count = float(uncertain.sum())
    return [Finding(WAITS_LEFT_OUT, count, nan, nan, len(usable), words)]


def _once(found: PolicyFit | None) -> Finding:
    """Return whether jitter is drawn once per client: each alone has none, all together have."""
    about = "jitter drawn once"
    clients = 0 if found is None else len(np.unique(found.waits.client))
    if found is None or found.is_none or clients < 2:
        tells = "several clients at once tell it"
        return phases.not_enough(about, "several (clients)", clients, 2, tells)
    count, rules = len(found.waits), found.best.rules
    if rules.drawn_once:
        words = f"each of {clients} clients waits without jitter, but not like the others"
        return Finding(about, "yes", nan, nan, count, words)
    how = "wait alike, without jitter"
    if rules.jitter != Jitter.NONE:
        how = "vary in their waits by themselves"
    return Finding(about, "no", nan, nan, count, f"{clients} clients {how}")


def _odd(waits: pd.DataFrame, rules: Backoff, blur_s: float) -> list[tuple[str, pd.DataFrame]]:
    """Return the answers after which most waits lie outside the policy's bands, and those waits."""
    return [
        (phases.answer(kind, detail), rows)
        for (kind, detail), rows in waits.groupby(["kind", "detail"], sort=False)
        if _are_odd(rows, rules, blur_s)
    ]


def _are_odd(waits: pd.DataFrame, rules: Backoff, blur_s: float) -> bool:
    numbers = known_waits(waits)
    return len(numbers) > 1 and bool(wait_places(rules, numbers, blur_s).outside.mean() > 0.5)


def _odd_by_themselves(
    waits: pd.DataFrame, rules: Backoff, blur_s: float
) -> list[tuple[str, pd.DataFrame]]:
    """Return the odd waits that are still odd if each earlier odd wait has reset the count.

    A client that comes back at once after one close code may begin to count anew there. Then what
    follows lies outside the bands of its supposed numbers, though it obeys the policy.
    """
    found: list[tuple[str, pd.DataFrame]] = []
    # What comes first can be the cause of what comes later, not the other way round.
    for name, rows in sorted(_odd(sequences.select_for_fit(waits), rules, blur_s), key=_first_row):
        if found:
            anew = sequences.recount(waits, pd.concat([each for _, each in found]).index)
            again = anew.loc[anew.index.isin(rows.index), list(rows.columns)]
            counted = pd.concat([rows.drop(again.index), again]).sort_index()
            if not _are_odd(counted, rules, blur_s):
                continue
        found.append((name, rows))
    return found


def _with_failures(
    rows: pd.DataFrame, waits: pd.DataFrame, found: PolicyFit | None, counting: ResetRule
) -> pd.DataFrame:
    """Return the attempts with their failures in a row, which an odd answer may have reset."""
    resets = pd.Series(False, rows.index)
    if found is not None and not found.is_none:
        for _, odd in _odd_by_themselves(waits, found.best.rules, found.blur_s):
            kind, detail = odd.iloc[0][["kind", "detail"]]
            resets |= (rows["kind"] == kind) & (rows["detail"] == detail)
    return sequences.count_failures(rows, waits, counting.stable_after_s, resets)


def _first_row(odd: tuple[str, pd.DataFrame]) -> int:
    return int(odd[1].index[0])


def _apart(waits: pd.DataFrame, found: PolicyFit | None, counting: ResetRule) -> list[Finding]:
    """Return the waits that have a rule of their own: after one answer, or after a loss."""
    if found is None or found.is_none:
        return []
    groups = _odd_by_themselves(waits, found.best.rules, found.blur_s)
    if not counting.counts_loss:
        lost = waits[waits["attempt"] == sequences.LOST]
        groups.append((AFTER_LOSS.removeprefix("wait after "), lost))
    findings = []
    for name, rows in groups:
        wait_s = rows["wait_s"].to_numpy(np.float64)
        if not wait_s.size:
            continue
        low, middle, high = (float(each) for each in np.quantile(wait_s, [0.0, 0.5, 1.0]))
        words = f"unlike its other waits: {low:.3g} to {high:.3g} s; left out of the policy"
        findings.append(Finding(f"wait after {name}", middle, low, high, wait_s.size, words))
    return findings
