"""One constant of the core is changed at a time: validation says which rows no longer hold."""

from math import inf
from pathlib import Path

import pytest

import simlib as sl
from simlib.core import admission, backoff, breaker, delivery, link, outbox, polling
from simlib.core.heartbeat import Heartbeat
from simlib.studies.validate import outboxes, queues, recovery
from simlib.studies.validate import validate as module

PAGE = Path(__file__).parents[3] / "docs" / "guide" / "validation.md"
#: A row or two of each group, so that a change is seen where it acts and nowhere else.
ROWS = {
    "M/D/1, load 0.5: mean wait",
    "M/D/1/3, 0.8/s: refused",
    "M/M/5/5, 4/s: refused",
    "critical: mean wait",
    "5 + 1/s, each 0.5 s: admitted",
    "full jitter: eight waits",
    "no jitter: eight waits",
    "no jitter, 10 s out: back",
    "full jitter, 5 s out: back",
    "10 attempts, 40 s outage: gave up",
    "5 trip, 20 s outage: back after",
    "1 in 2 fails, 3 trip: attempts",
    "80 ms round trip, TLS 1.3: open",
    "ping 30 s, pong 10 s: noticed",
    "poll 4 s, update 5 s: late by",
}


def failing(monkeypatch, rows=ROWS):
    """Play cases that have one of these rows, smaller; return the rows that fail."""
    # In this process and interpreted: what is patched here is what plays.
    monkeypatch.setattr(queues, "_HANDSHAKES", 1500)
    monkeypatch.setattr(queues, "_RUNS", 8)
    monkeypatch.setattr(outboxes, "_OUTBOX_RUNS", 1)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    known = module.all_cases()
    chosen = [case for case in known if rows & {check.name for check in case.checks}]
    monkeypatch.setattr(module, "all_cases", lambda: chosen)
    table = sl.validate(workers=1, progress=lambda *_: None)
    return {row.name for row in table.rows if row.verdict != "holds"}


def half_waits(monkeypatch):
    whole = backoff._add_jitter
    monkeypatch.setattr(backoff, "_add_jitter", lambda *given: 0.5 * whole(*given))


def no_jitter(monkeypatch):
    monkeypatch.setattr(backoff, "_add_jitter", lambda policy, jitter, height_s, u: height_s)


def a_worker_more(monkeypatch):
    begin = admission.WorkerQueue.__init__
    monkeypatch.setattr(
        admission.WorkerQueue,
        "__init__",
        lambda self, workers, backlog: begin(self, workers + 1, backlog),
    )


def a_token_more(monkeypatch):
    ready_s = admission.ready_s
    monkeypatch.setattr(
        admission, "ready_s", lambda at_s, rate: ready_s(at_s, rate) - 1.0 / rate.per_s
    )


def no_priorities(monkeypatch):
    def first_come(self, now):
        return min(filter(None, self._queues))

    monkeypatch.setattr(outbox.Outbox, "_most_urgent", first_come)


def a_failure_more_trips(monkeypatch):
    count = breaker.count_failure

    def later(status, failures, *given):
        return count(status, failures - 1, *given)

    monkeypatch.setattr(link, "count_failure", later)


def impatient_heartbeat(monkeypatch):
    def ping(self, now):
        self.due_s, self.timeout_s = inf, now + self.settings.timeout_s / 2.0

    monkeypatch.setattr(Heartbeat, "ping", ping)


def half_as_many_polls(monkeypatch):
    begin = polling.Polling.__init__
    monkeypatch.setattr(
        polling.Polling,
        "__init__",
        lambda self, interval_s, timeout_s: begin(self, 2.0 * interval_s, timeout_s),
    )


def slower_messages(monkeypatch):
    take = delivery.meters.take
    monkeypatch.setattr(
        delivery.meters, "take", lambda at_s, now, rate: take(at_s, now, rate) + 0.1 / rate.per_s
    )


@pytest.mark.parametrize(
    ("change", "rows", "fail"),
    [
        (half_waits, {"no jitter: eight waits"}, {"no jitter: eight waits"}),
        (a_token_more, {"5 + 1/s, each 0.5 s: admitted"},
         {"5 + 1/s, each 0.5 s: admitted"}),
    ],
)  # fmt: skip
def test_a_wrong_model_fails_at_the_row_that_is_about_it(monkeypatch, change, rows, fail):
    # These rows have no chance in them: a few clients will do.
    monkeypatch.setattr(recovery, "_CLIENTS", 20)
    with monkeypatch.context() as patched:
        assert set() == failing(patched, rows)
    change(monkeypatch)
    assert fail == failing(monkeypatch, rows)


PRIORITIES = {f"{name}: mean wait" for name in ("critical", "high", "normal", "low")}
FULL_JITTER = {
    "full jitter: eight waits",
    "full jitter: their variance",
    "full jitter, 5 s out: back",
    "full jitter, 5 s out: attempts",
    "full jitter, 5 s out: over 1 s",
    "10 attempts, 40 s outage: gave up",
    "5 trip, 20 s outage: back after",
}
#: What each change does to these rows, and to those that are played with them.
CHANGES = {
    half_waits: FULL_JITTER | {
        "no jitter: eight waits", "no jitter, 10 s out: back", "no jitter, 10 s out: attempts",
    },
    no_jitter: FULL_JITTER,
    a_worker_more: {
        "M/D/1, load 0.5: mean wait", "M/D/1, load 0.5: share over 1 s",
        "M/D/1/3, 0.8/s: refused", "M/M/5/5, 4/s: refused",
    },
    a_token_more: {"5 + 1/s, each 0.5 s: admitted"},
    no_priorities: PRIORITIES,
    slower_messages: PRIORITIES,
    a_failure_more_trips: {"1 in 2 fails, 3 trip: attempts", "5 trip, 20 s outage: back after"},
    impatient_heartbeat: {"ping 30 s, pong 10 s: noticed"},
    half_as_many_polls: {"poll 4 s, update 5 s: late by", "poll 4 s, update 5 s: empty polls"},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.long
def test_nothing_fails_where_nothing_is_changed(monkeypatch):
    assert set() == failing(monkeypatch)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_each_change_fails_the_rows_that_are_about_it_and_no_other(monkeypatch, change):
    change(monkeypatch)
    assert CHANGES[change] == failing(monkeypatch)


def test_the_page_says_which_rows_fail():
    page = PAGE.read_text(encoding="utf-8")
    for change, rows in CHANGES.items():
        words = change.__name__.replace("_", " ")
        (line,) = [line for line in page.splitlines() if line.startswith(f"| {words} |")]
        assert [] == [row for row in rows if row not in line]
