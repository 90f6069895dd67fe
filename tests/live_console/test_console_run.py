"""A console's run: real sockets beside a twin, faults by hand to both, and nothing left after."""

import os
import threading
import time
from pathlib import Path

import pytest

import simlib as sl
from simlib.engines.live import child_process
from simlib.live_console.console_run import PICTURE_S, STEP_S, ConsoleRun, end_runs

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore::ResourceWarning")]
SCENARIO = sl.Scenario(
    clients=5,
    duration_s=60,
    ramp_s=0,
    client=sl.Settings(
        backoff=sl.Backoff(base_s=0.1, cap_s=0.3), session=sl.SessionRules(sign_in_after_s=0.1)
    ),
    server=sl.ServerSettings(session_lifetime_s=600, accept_per_s=100),
    workload=sl.Workload(rate_per_s=5),
)
PATIENCE_S = 90


class Ears:
    """Keeps what a run says."""

    def __init__(self):
        self.sights, self.words, self.wrong, self.ended = [], [], [], []

    def show(self, live, twin):
        self.sights.append((live, twin))

    def tell(self, words, wrong=False):
        (self.wrong if wrong else self.words).append(words)

    def end(self, comparison):
        self.ended.append(comparison)

    @property
    def opens(self):
        """How many clients are open, live and in the twin."""
        if not self.sights:
            return 0, 0
        return tuple(each.look.counts.states["open"] for each in self.sights[-1])


def wait_until(condition):
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until_s, "it did not come to be"
        time.sleep(0.02)


def children():
    """The ids of this process's children, whichever thread started them."""
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return [child for task in tasks for child in task.read_text().split()]


def console_threads():
    return [each for each in threading.enumerate() if each.name == "simlib-console"]


def sockets():
    """The sockets of this process: of a run that is over none is left."""
    links = []
    for file in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(file.readlink()))
        except FileNotFoundError:
            continue
    return sorted(link for link in links if link.startswith("socket:"))


@pytest.fixture
def ears():
    """what a run says; afterwards nothing of any run is left."""
    before = sockets()
    yield Ears()
    end_runs()
    assert [] == children()
    assert [] == console_threads()
    assert before == sockets()


def begin(ears, scenario=SCENARIO):
    run = ConsoleRun(scenario, ears)
    run.start()
    wait_until(lambda: ears.opens == (5, 5))
    return run


def test_cut_and_restore_change_what_is_shown_of_both_runs(ears):
    run = begin(ears)
    run.strike("cut", sl.Fault("outage"))
    wait_until(lambda: ears.opens == (0, 0))
    assert run.is_acting("cut")
    run.restore()
    wait_until(lambda: ears.opens == (5, 5))
    assert not run.is_acting("cut")
    assert run.trace.scenario.faults == run.twin.scenario.faults


def test_the_twin_is_given_the_same_faults_at_the_same_moments(ears):
    run = begin(ears)
    run.strike("log out", sl.Fault("session_expiry"))
    run.strike("sleep", sl.Fault("client_sleep", clients_fraction=0.5))
    run.strike("black hole", sl.Fault("black_hole"))
    run.strike("slow", sl.Fault("latency", amount_s=0.1))
    run.strike("slow", sl.Fault("latency", amount_s=0.2))  # the slider: instead of the first
    run.strike("reload", sl.Fault("client_reload"), 0.2)
    wait_until(lambda: not run.is_acting("reload"))
    run.restore()
    run.stop()
    assert run.wait(PATIENCE_S)
    faults = run.trace.scenario.faults
    assert ["session_expiry", "client_sleep", "black_hole", "latency", "latency", "client_reload"] \
        == [fault.kind.name.lower() for fault in faults]  # fmt: skip
    assert all(fault.end_s < 60 for fault in faults)
    assert faults == run.twin.scenario.faults
    first, second = faults[3:5]
    assert first.stop_s == pytest.approx(second.start_s, abs=0.1)


def test_a_stopped_run_is_compared_as_far_as_it_was_played(ears):
    run = begin(ears)
    run.strike("reset", sl.Fault("reset"))
    wait_until(lambda: len(run.trace.scenario.faults) == 1 and ears.opens == (5, 5))
    run.stop()
    assert run.wait(PATIENCE_S)
    (comparison,) = ears.ended
    assert comparison.replay.agreed
    assert run.trace.partial
    assert run.trace.end_s == comparison.live.scenario.duration_s
    assert [] == ears.wrong


def test_what_the_server_has_to_do_is_told_while_it_does_it(ears):
    begin(ears)
    seen = [live.load.taken_per_s for live, _ in ears.sights]
    assert max(seen) > 0
    assert 1 == ears.sights[-1][0].load.servers


def test_a_run_is_stopped_before_it_has_begun(ears):
    run = ConsoleRun(SCENARIO.replace(ramp_s=10.0), ears)
    run.start()
    run.stop()
    assert run.wait(PATIENCE_S)
    assert [None] == ears.ended
    (said,) = ears.wrong
    assert said.startswith("The run was too short to be compared")


def test_another_run_ends_the_one_before(ears):
    first = begin(ears)
    again = Ears()
    second = begin(again)
    assert (False, True) == (first.is_running, second.is_running)
    assert [None] == ears.ended
    assert 1 == len(console_threads())


def test_an_end_during_the_comparison_ends_that_too(ears):
    run = begin(ears)
    run.stop()
    wait_until(lambda: any("compared" in words for words in ears.words))
    end_runs()
    assert not run.is_running


def test_what_is_asked_for_after_the_end_does_nothing(ears):
    run = begin(ears)
    run.abandon()
    run.strike("cut", sl.Fault("outage"))
    run.restore()
    run.stop()
    run.abandon()
    assert () == run.trace.scenario.faults


def test_a_server_that_does_not_start_is_told_in_words(ears, monkeypatch):
    monkeypatch.setattr(child_process.sys, "executable", "/bin/false")
    run = ConsoleRun(SCENARIO, ears)
    run.start()
    assert run.wait(PATIENCE_S)
    assert ["the server process ended before it said ready: it wrote no error"] == ears.wrong
    assert [None] == ears.ended


def test_pictures_come_at_four_a_second_or_more():
    """After a picture is due, the next step draws it."""
    assert PICTURE_S + STEP_S <= 0.25
