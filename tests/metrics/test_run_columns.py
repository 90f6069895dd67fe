"""The columns of a run are read once, whatever asks for them."""

import pickle
from collections import Counter

import numpy as np
import pytest

import simlib as sl
from simlib.metrics.metrics import row
from simlib.metrics.run_columns import read_columns
from simlib.trace.schema import ROW
from simlib.trace.trace import Trace

SLOW = sl.Scenario(
    clients=20,
    duration_s=20,
    faults=[sl.Fault("outage", start_s=5, stop_s=8)],
    server=sl.ServerSettings(accept_per_s=5, handshake_service_s=0.1),
)


@pytest.mark.parametrize(
    "draw",
    [
        sl.plots.attempts, sl.plots.admissions, sl.plots.recovery, sl.plots.states,
        sl.plots.swimlanes, sl.plots.server, sl.plots.outbox, sl.plots.waterfall,
        sl.plots.latency, sl.plots.latency_by_priority, row,
    ],
)  # fmt: skip
def test_a_chart_and_all_metrics_read_each_column_once(draw, monkeypatch):
    reads = Counter()
    make = Trace.column_reader

    def counting(trace):
        read = make(trace)
        return lambda name: reads.update([name]) or read(name)

    monkeypatch.setattr(Trace, "column_reader", counting)
    trace = sl.run(SLOW)
    draw(trace)
    draw(trace)
    assert reads
    assert {1} == set(reads.values())


def test_rows_that_come_later_are_read():
    trace = sl.run(SLOW)
    before = read_columns(trace)
    assert before is read_columns(trace)
    trace.append_packed(trace.packed_rows()[-ROW.size :])
    assert len(before.columns["time_s"]) == len(trace) - 1
    assert len(read_columns(trace).columns["time_s"]) == len(trace)


def test_columns_cannot_be_changed_by_one_reader_for_the_next():
    trace = sl.run(SLOW)
    with pytest.raises(ValueError, match="read-only"):
        read_columns(trace).columns["time_s"][0] = -1.0


def test_times_to_recover_that_a_caller_changes_are_the_callers_own():
    from simlib.metrics.fault_times import recovery_times_s

    trace = sl.run(SLOW)
    recovery_times_s(trace)[:] = -1.0
    assert (recovery_times_s(trace) >= 0.0).all()


def test_what_was_found_is_not_sent_to_another_process():
    trace = sl.run(SLOW)
    before = len(pickle.dumps(trace))
    trace.frame()
    sl.plots.waterfall(trace)
    assert before == len(pickle.dumps(trace))
    np.testing.assert_array_equal(
        read_columns(trace).columns["name"],
        read_columns(pickle.loads(pickle.dumps(trace))).columns["name"],
    )
