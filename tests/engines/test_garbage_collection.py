"""The collector during a run, and after it."""

import gc
import subprocess
import sys

from simlib.engines import garbage_collection as garbage

#: Connections, of which 50 are open at a time; prints how many at most wait to be freed.
CONNECTIONS = """
import sys, weakref
from collections import deque
import simlib.engines.live.service
from simlib.engines import garbage_collection as garbage

class Connection:
    def __init__(self):
        self.parts = [self, *([] for _ in range(100))]

if sys.argv[1] == "often":
    garbage.collect_often()
there, open_connections, most = weakref.WeakSet(), deque(), 0
for _ in range(3000):
    open_connections.append(Connection())
    there.add(open_connections[-1])
    if len(open_connections) > 50:
        open_connections.popleft()
    most = max(most, len(there) - len(open_connections))
print(most)
"""


def count_waiting(how):
    command = [sys.executable, "-c", CONNECTIONS, how]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_full_passes_are_rare_during_a_run_and_as_before_after_it():
    before = gc.get_threshold()
    with garbage.collect_rarely():
        during = gc.get_threshold()
    assert before == gc.get_threshold()
    assert during[0] * during[1] * during[2] > 10 * before[0] * before[1] * before[2]


def test_what_ended_connections_leave_behind_does_not_wait_in_a_server():
    """Megabytes of it waited: Python looks all through once there is a quarter more of it."""
    assert 2 * count_waiting("often") < count_waiting("as Python comes")


def _make_circles(count):
    circles = [[] for _ in range(count)]
    for circle in circles:
        circle.append(circle)
    return circles


def test_what_short_runs_leave_behind_is_freed_now_and_then(monkeypatch):
    gc.collect()
    before = len(gc.get_objects())
    # Not as the tests before have left it: objects are counted in the 20th and the 40th run.
    monkeypatch.setattr(garbage._LastPass, "objects", before)
    monkeypatch.setattr(garbage._LastPass, "runs", 0)
    for _ in range(40):
        with garbage.freeze_objects():
            circles = _make_circles(before // 10)
        del circles  # which have outlived the run, as a trace does
    assert len(gc.get_objects()) < 2 * before
