"""One rule of the core is written otherwise at a time: its rows fail, and no other."""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path

import pytest

import simlib as sl
from simlib.core import admission, backoff, breaker, heartbeat, link, outbox, path, polling, tls
from simlib.studies.validate import outboxes, queues
from simlib.studies.validate import validate as module

PAGE = Path(__file__).parents[3] / "docs" / "guide" / "validation.md"
#: What is different, in which function, how it reads there, how it is written, which rows fail.
EXACT = {
    "a first attempt costs a token": (
        link._spend, "if link.attempt > 0 else", "if True else",
        {"attempt budget of 5: attempts"},
    ),
    "a connect budget is not spent": (
        link._spend, "take(budget.connect_s, now, connects)", "budget.connect_s",
        {"connect budget 5 + 1/s: attempts"},
    ),
    "linear ceilings rise one attempt early": (
        backoff._ceiling, "policy.rise_s * (attempt - 1)", "policy.rise_s * attempt",
        {"linear, 0.5 s more: eight waits"},
    ),
    "quadratic ceilings are linear": (
        backoff._power, "range(whole)", "range(whole - 1)", {"quadratic: eight waits"},
    ),
    "a table of steps begins with its second": (
        backoff._ceiling, "min(attempt, policy.step_count)", "min(attempt + 1, policy.step_count)",
        {"steps 1, 2, 5 s: eight waits"},
    ),
    "a first wait is like the others": (
        backoff.delay.__wrapped__, "attempt == 1 and", "False and",
        {"first at once: eight waits"},
    ),
    "a wait after a loss is like the others": (
        link._draw_wait, "failed == 0 and", "False and", {"3 s after a loss: eight waits"},
    ),
    "all waits count from the failure": (
        link._draw_wait, "link.started_s if backoff.counted_from == _FROM_START else now", "now",
        {"counted from starts: eight waits"},
    ),
    "Retry-After is not heeded": (
        backoff.scale_hint, "hint_s < 0.0", "hint_s > 0.0", {"Retry-After 20 s, no jitter: next"},
    ),
    "no time ends attempts": (
        link._back_off, "deadline_s > budget.since_s + backoff.give_up_after_s", "False",
        {"gives up after 10 s: attempts"},
    ),
    "a connection is stable at once": (
        link._settle, "link.opened_s + settings.backoff.stable_after_s", "link.opened_s",
        {"open 1 s, stable 5 s: attempts"},
    ),
    "a breaker refuses no longer each time": (
        breaker._refused_s, "length_s *= settings.factor", "length_s *= 1.0",
        {"opens 10, 20, 40 s: back after"},
    ),
    "a breaker has no longest time": (
        breaker._refused_s, "min(length_s, max(settings.longest_open_s, settings.open_s))",
        "settings.open_s * settings.factor**trips", {"opens 10, 20, 40 s: back after"},
    ),
    "one probe closes a breaker": (
        breaker.count_success, "probes < settings.probes", "False",
        {"two probes, one fails: attempts"},
    ),
    "each resend has the same patience": (
        outbox.Outbox.send_next, "2.0**entry.resends", "1.0",
        {"5 resends, 10 s first: given up"},
    ),
    "resends are not counted": (
        outbox.Outbox.resend, "entry.resends += 1", "entry.resends += 0",
        {"5 resends, 10 s first: given up"},
    ),
    "a resumed session of TLS takes no round trip": (
        tls.round_trips, "(_TLS_1_3, _RESUMED)", "(_TLS_1_3,)",
        {"80 ms round trip, resumed: open"},
    ),
    "pings count from the answer": (
        heartbeat.next_ping_s, "return max(now, timeout_s - settings.timeout_s + ",
        "return max(now, now + ", {"ping 10 s, answer 2 s: pings"},
    ),
    "what the server sends is no sign of life": (
        heartbeat.Heartbeat.hear, "self.settings.any_traffic and", "False and",
        {"ping 5 s, answers each s: pings"},
    ),
    "polls count from the answer": (
        polling.Polling.take_answer, "self._sent_s + self.interval_s", "now + self.interval_s",
        {"poll 4 s, answer 2 s: polls"},
    ),
}  # fmt: skip
CHANCE = {
    "of one priority the newest leaves first": (
        outbox.Outbox.send_next, "heappop(queue)[1]", "queue.pop(queue.index(max(queue)))[1]",
        {"one priority, 0.5/s: over 1 s"},
    ),
    "a wait may pass the cap": (
        backoff.spread_ceiling, "return min(policy.cap_s, wait_s)", "return wait_s",
        {"+-25 % within cap: eight waits", "0.5 to 1 s on top: eight waits"},
    ),
    "jitter before the cap is jitter after it": (
        backoff.height, "top_s * _BEYOND", "top_s", {"+-25 % before cap: eight waits"},
    ),
    "jitter on top begins at 0": (
        backoff._add_jitter, "policy.add_least_s + (policy.add_most_s - policy.add_least_s) * u",
        "policy.add_most_s * u", {"0.5 to 1 s on top: eight waits"},
    ),
    "jitter takes away twice as much": (
        backoff._add_jitter, "(1.0 - policy.spread_fraction * (1.0 - u))",
        "(1.0 - policy.spread_fraction * 2.0 * (1.0 - u))", {"25 % off: eight waits"},
    ),
    "a floor is none": (
        backoff.spread_ceiling, "max(floor_s, uncut(", "max(0.0, uncut(",
        {"full, floor 2 s: eight waits"},
    ),
    "a share of failures must be passed": (
        breaker.count_failure, "_ones(outcomes) >= settings", "_ones(outcomes) > settings",
        {"1 in 3 fails, 2 of 4: attempts"},
    ),
    "an advised window is waited for whole": (
        backoff.scale_hint, "policy.hint_cap_s) * u", "policy.hint_cap_s)",
        {"advised window of 60 s: next"},
    ),
    "a packet that is lost again waits no longer": (
        path.stall_s, "(2.0 ** min(losses, MOST_LOSSES) - 1.0)", "losses",
        {"80 ms, 1 in 5 lost: over 0.6 s"},
    ),
    "a backlog of sim holds one more": (
        admission.WorkerQueue.is_full, ">= self._backlog", "> self._backlog",
        {"M/D/1/3, 0.8/s, sim: refused"},
    ),
}  # fmt: skip
WRONG = EXACT | CHANCE


def failing(monkeypatch, rows):
    """Play the cases that have one of these rows; return which of these fail."""
    known = module.all_cases()
    chosen = [case for case in known if rows & {check.name for check in case.checks}]
    monkeypatch.setattr(module, "all_cases", lambda: chosen)
    table = sl.validate(workers=1, progress=lambda *_: None)
    monkeypatch.undo()
    return {row.name for row in table.failures} & rows


def write_otherwise(monkeypatch, words):
    """Let a function do what its source says with one change, for whoever has it imported."""
    function, old, new, _ = WRONG[words]
    source = textwrap.dedent(inspect.getsource(function))
    assert 1 == source.count(old)
    # Only the code: everybody else holds the function itself.
    changed = {}
    plain = "\n".join(line for line in source.splitlines() if not line.startswith("@"))
    exec(plain.replace(old, new), dict(function.__globals__), changed)
    monkeypatch.setattr(function, "__code__", changed[function.__name__].__code__)


def rows_of(table):
    return set().union(*(rows for _, _, _, rows in table.values()))


@pytest.mark.few(6)
@pytest.mark.parametrize("words", EXACT)
def test_a_rule_without_chance_in_it_fails_its_rows_and_no_other(monkeypatch, words):
    write_otherwise(monkeypatch, words)
    assert WRONG[words][3] == failing(monkeypatch, rows_of(EXACT))


def test_all_of_them_hold_as_they_are(monkeypatch):
    assert set() == failing(monkeypatch, rows_of(EXACT))


@pytest.mark.slow
@pytest.mark.parametrize("words", CHANCE)
def test_a_rule_with_chance_in_it_fails_its_rows(monkeypatch, words):
    rows = WRONG[words][3]
    monkeypatch.setattr(outboxes, "_OUTBOX_RUNS", 2)
    monkeypatch.setattr(queues, "_HANDSHAKES", 15_000)
    write_otherwise(monkeypatch, words)
    assert rows == failing(monkeypatch, rows)


def test_the_page_says_which_rows_fail():
    page = PAGE.read_text(encoding="utf-8")
    for words, (_, _, _, rows) in WRONG.items():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| {words} |")]
        assert line == f"| {words} | {'; '.join(sorted(rows))} |"
