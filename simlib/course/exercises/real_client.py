"""Exercises of 11: what a real client does."""

from __future__ import annotations

from simlib.api import run
from simlib.core.settings import Settings
from simlib.course.exercises.checks import NotYet, compare_number, exercise_check, only, read_number
from simlib.metrics.metrics import summary
from simlib.scenario.scenario import Scenario


@exercise_check
def without_jitter(answer: object) -> str:
    """Check from which attempt on the shortest wait, 0.5 s doubled each time, is at the cap."""
    attempt = int(read_number(answer, whole=True))
    least_s = [0.5 * 2.0 ** min(k - 1, 60) for k in (attempt - 1, attempt)]
    if least_s[1] < 5.0:
        said = f"before attempt {attempt} a wait may be as short as {least_s[1]:g} s"
        raise NotYet(f"{said}, and the cap is 5 s")
    if least_s[0] >= 5.0:
        raise NotYet(f"attempt {attempt} has none left, but nor has the one before it")
    return f"before attempt {attempt} the shortest wait would be {least_s[1]:g} s, above the cap"


@exercise_check
def mended(answer: Scenario, storm: Scenario, inferred: Settings) -> str:
    """Check a jitter that does not die, by one setting of the inferred client's backoff."""
    given = storm.replace(client=inferred)
    [key] = only(answer, given, "client.backoff.", one=True)
    now, before = (summary(run(candidate, "fleet")).iloc[0] for candidate in (answer, given))
    if not now["time_to_recover_s_p95"] < 12.0:
        raise NotYet(f"95 in 100 are back after {now['time_to_recover_s_p95']:.2f} s, not 12 s")
    for metric, words in (
        ("attempts", "attempts"),
        ("peak_attempts_per_s", "attempts at the peak"),
    ):
        more = now[metric] > before[metric] or (
            metric == "attempts" and now[metric] == before[metric]
        )
        if more:
            raise NotYet(
                f"there are {now[metric]:,.0f} {words}, and there were {before[metric]:,.0f}"
            )
    return f"with this {key} 95 in 100 are back after {now['time_to_recover_s_p95']:.2f} s"


@exercise_check
def clients_to_record(answer: object) -> str:
    """Check how many clients tell a jitter that is drawn once from one that is drawn each time."""
    hints = {"alone looks as if it had no jitter": 1.0, "are enough, but so are fewer": 8.0}
    return f"{compare_number(answer, 2.0, whole=True, hints=hints):g} clients that differ"
