"""Infer a client's reconnect policy from an observation of its attempts."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from pathlib import Path

import pandas as pd
import pyarrow as pa

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.core.errors import FileError, SettingsError
from simlib.lab.infer import findings as phases
from simlib.lab.infer import reset_rule, sequences
from simlib.lab.infer.fit import add_intervals, fit
from simlib.lab.infer.inference import Inference
from simlib.lab.infer.nearest import nearest_policies
from simlib.lab.infer.odd_waits import (
    count_failures_since_reset,
    find_odd,
    find_separate_waits,
    find_unlike_all_others,
    leave_out,
)
from simlib.lab.infer.policy_findings import (
    count_left_out,
    describe_long_rows,
    find_drawn_once,
    find_hint_use,
    find_lateness,
    find_reset_rule,
)
from simlib.lab.infer.policy_fit import PolicyFit
from simlib.lab.infer.waits import BLUR_S, LEAST_WAITS
from simlib.lab.observe.attempt_columns import read_attempt_columns
from simlib.lab.observe.attempt_pairs import ResetRule, number_waits, pair_attempts
from simlib.lab.observe.observation import MOST_OBSERVED_ROWS, Attempt, Observation, is_observation
from simlib.scenario.presets import presets
from simlib.support.arguments import check_arguments
from simlib.support.parquet import read_texts
from simlib.trace.trace import is_trace


@check_arguments
def infer(
    observation: str | Path | Observation | pd.DataFrame,
    *,
    known: Mapping[str, Backoff] | None = None,
    blur_s: float | None = None,
) -> Inference:
    """Infer a client's reconnect policy from an observation of its attempts.

    Parameters
    ----------
    observation : str, path, Observation or DataFrame
        A Parquet file as ``simlib observe`` writes it, what it holds, or its table alone: a row
        per attempt.
    known : mapping, optional
        Known policies by name, of which the nearest are named; by default all presets.
    blur_s : float, optional
        Standard deviation of the timing errors, in s; by default it is looked for, from 2 ms.

    Returns
    -------
    Inference
        The policy with intervals, and what each phase says beside it.

    Raises
    ------
    SettingsError
        If the argument is no observation, or there is no attempt in it.
    FileError
        If the file is none; it names the file.

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
    followed, later = sequences.cut_long_rows(pair_attempts(rows))
    counting, policy_fit, why_not = _infer_policy(followed, blur_s)
    waits = number_waits(followed, counting)
    blurred_s = BLUR_S if policy_fit is None else policy_fit.waits.blur_s
    longest_s = float(followed["wait_s"].max()) if len(followed) else 0.0
    findings = [
        phases.connect_timeout(rows, blurred_s),
        *phases.heartbeat(rows, blurred_s),
        find_reset_rule(followed, policy_fit, counting),
        phases.most_attempts(
            count_failures_since_reset(rows, waits, policy_fit, counting), waits, longest_s, end_s
        ),
        *find_hint_use(waits, policy_fit, blurred_s),
        find_drawn_once(policy_fit),
        *find_separate_waits(waits, policy_fit, counting),
        *count_left_out(waits),
        *describe_long_rows(later),
        *find_lateness(policy_fit),
        *phases.stops(rows, longest_s, end_s),
    ]
    near = []
    if known is None:
        known = {
            name: preset.client.backoff
            for name, preset in presets.items()
            if preset.kind != "algorithm"
        }
    if policy_fit is not None and not policy_fit.is_none:
        near = nearest_policies(policy_fit.best.rules, known, int(policy_fit.waits.attempts[-1]))
    clients = int(rows["client"].nunique())
    return Inference(source, len(rows), clients, policy_fit, why_not, findings, near)


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
        return Path(observation).name, _read_plain(observation), 0.0
    except OSError as error:
        rule = f"cannot be read: {error.strerror or error}"
        raise SettingsError("observation", str(observation), rule) from error
    except SettingsError:
        raise
    except (ValueError, pa.ArrowException, KeyError) as error:
        rule = "is not a Parquet file of attempts, as simlib observe writes it"
        raise SettingsError("observation", str(observation), f"{rule}{_say_why(error)}") from error


def _read_plain(observation: str | Path) -> pd.DataFrame:
    """Return the attempts of a table that somebody else wrote."""
    import pyarrow.parquet as pq

    with Path(observation).open("rb") as opened, pq.ParquetFile(opened) as file:
        if file.metadata.num_rows > MOST_OBSERVED_ROWS:
            raise ValueError(f"it has more than {MOST_OBSERVED_ROWS:,} rows")
        frame: pd.DataFrame = read_attempt_columns(read_texts(file), Attempt).to_pandas()
    return frame


def _say_why(error: Exception) -> str:
    """Return what is wrong with a column or with the table, if that was found out here."""
    return f": {error}" if type(error) is ValueError else ""


def _infer_policy(
    followed: pd.DataFrame, blur_s: float | None
) -> tuple[ResetRule, PolicyFit | None, str]:
    """Return how the client counts, and its policy or why there is none."""
    # The policy cannot be fitted without numbers of attempts, and the numbers cannot be judged
    # without a policy. So they take turns from guesses that need no policy; it comes to rest after
    # one or two rounds.
    counting, policy_fit, why_not = _fit_guesses(followed, blur_s)
    # Bounded: the two may take turns between two answers for ever, and then the last one is as
    # good.
    for _ in range(_ROUNDS):
        if policy_fit is None:
            break
        better = reset_rule.infer_reset_rule(followed, policy_fit, counting).counting
        if better == counting:
            break
        counting = better
        policy_fit, why_not = _fit(number_waits(followed, counting), blur_s, policy_fit)
    if policy_fit is None:
        return counting, None, why_not
    if policy_fit.is_none:
        # Where each loss is followed by the same wait, numbers alone do not say what it is.
        other = ResetRule(counting.stable_after_s, not counting.counts_loss)
        tried = None
        if followed["opened"].any():
            tried, _ = _fit(number_waits(followed, other), blur_s, policy_fit)
        if tried is not None and not tried.is_none:
            if other not in sequences.hypotheses(followed):
                words = (
                    f"all waits but those after a loss agree with {tried.best.name}, and too few"
                )
                words += f" of those were timed {sequences.CERTAINLY}"
                words += "; observe it on a machine that is less busy"
                return counting, None, f"could not be judged: {words}"
            counting, policy_fit = other, tried
    apart = not counting.counts_loss and not policy_fit.is_none
    if apart and not _shows_apart(followed, counting, policy_fit):
        words = f"waits after a loss differ, all others agree with {policy_fit.best.name}"
        words += ", so which wait is the first of a row is unknown"
        return counting, None, f"could not be judged: {words}"
    return counting, add_intervals(policy_fit), ""


def _fit_guesses(
    followed: pd.DataFrame, blur_s: float | None
) -> tuple[ResetRule, PolicyFit | None, str]:
    """Return the way of counting whose policy explains the waits best, of those that may be."""
    likeliest, *others = reset_rule.guess_reset_rules(followed)
    fits = [(rule, *_fit(number_waits(followed, rule), blur_s, None)) for rule in others]
    # Where hardly two waits have the same number, a table of steps agrees with anything.
    by_law = [each for each in fits if each[1] is not None and each[1].best.family.free]
    first = (likeliest, *_fit(number_waits(followed, likeliest), blur_s, None))

    def rank(guess: tuple[ResetRule, PolicyFit | None, str]) -> tuple[bool, float]:
        rule, policy_fit, _ = guess
        if policy_fit is None:
            return False, -inf
        score = reset_rule.score_reset_rule(number_waits(followed, rule), policy_fit)
        return not policy_fit.is_none, score - 0.5 * policy_fit.best.price

    return max([first, *by_law], key=rank)


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
    is_first = [number_waits(followed, way)["attempt"] == 1 for way in ways]
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
    policy_fit = fit(usable, blur_s, intervals=False, near=near, uncertain=uncertain)
    odd = [rows for _, rows in find_odd(usable, policy_fit)]
    if policy_fit.is_none:
        # The waits after one answer may have bent the fit so far that others seem to be odd.
        odd = find_unlike_all_others(usable) or odd
    kept = leave_out(pd.concat(odd), usable) if odd else usable
    if len(usable) > len(kept) >= max(LEAST_WAITS, len(usable) // 2):
        # A fit that agrees with nothing is no place to begin at.
        near = None if policy_fit.is_none else policy_fit
        return fit(kept, blur_s, intervals=False, near=near, uncertain=uncertain), ""
    return policy_fit, ""
