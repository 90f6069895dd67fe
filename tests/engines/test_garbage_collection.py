"""The collector during a run, and after it."""

import gc

from simlib.engines import garbage_collection as garbage


def test_full_passes_are_rare_during_a_run_and_as_before_after_it():
    before = gc.get_threshold()
    with garbage.collect_rarely():
        during = gc.get_threshold()
    assert before == gc.get_threshold()
    assert during[0] * during[1] * during[2] > 10 * before[0] * before[1] * before[2]
