"""A connection that has ended is freed at once: in a live run the collector comes rarely."""

import gc
import weakref
from math import inf

import httpx
import pytest
from websockets.client import ClientProtocol

import simlib as sl
from simlib.engines.live.proxy import Pipe
from simlib.engines.live.websocket import WebSocketConnection

pytestmark = pytest.mark.live
#: What ends connections and attempts in different ways.
FAULTS = [
    sl.Fault("reset", start_s=0.5),
    sl.Fault("outage", start_s=1.0, stop_s=1.3),
    sl.Fault("reject", start_s=1.6, stop_s=1.9),
    sl.Fault("close", start_s=2.2),
    sl.Fault("black_hole", start_s=2.5, stop_s=3.0),
]


@pytest.mark.parametrize("tls", ["none", pytest.param("1.3", marks=pytest.mark.slow)])
def test_an_ended_connection_waits_for_no_collector(monkeypatch, tls):
    """Circles of each connection waited for the collector: megabytes in some minutes."""
    made = {WebSocketConnection: [], ClientProtocol: [], Pipe: [], httpx.Response: []}
    for kind, references in made.items():
        begin = kind.__init__

        def note(own, *arguments, begin=begin, references=references, **more):
            references.append(weakref.ref(own))
            begin(own, *arguments, **more)

        monkeypatch.setattr(kind, "__init__", note)
    scenario = sl.Scenario(
        clients=4,
        duration_s=3.5,
        ramp_s=0.1,
        client=sl.Settings(
            backoff=sl.Backoff(base_s=0.1, cap_s=0.2),
            heartbeat=sl.HeartbeatRules(interval_s=0.2, timeout_s=0.2),
            # The proxy of a live run cannot read polls in TLS.
            fallback=sl.Fallback(after_attempts=1 if tls == "none" else inf, poll_interval_s=0.1),
        ),
        path=sl.Path(latency=sl.Latency(mean_s=0.005), tls=tls),
        faults=[each for each in FAULTS if tls == "none" or each.kind.name != "REJECT"],
    )
    gc.collect()
    gc.disable()
    try:
        trace = sl.run(scenario, "live")
        left = {kind.__name__: sum(each() is not None for each in made[kind]) for kind in made}
    finally:
        gc.enable()
    # Each client came back at least once; most of them come back after each fault.
    opened = int(trace.counts()["open"])
    assert opened == len(made[WebSocketConnection]) >= 2 * scenario.clients
    assert tls != "none" or made[httpx.Response]
    assert {kind.__name__: 0 for kind in made} == left
