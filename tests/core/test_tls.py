"""TLS adds its round trips after TCP's, and before the request."""

from math import inf

import pytest

from simlib.core.client_path import ClientPath, ConnectionPath
from simlib.core.draws import Stream
from simlib.core.errors import SettingsError
from simlib.core.faults import Fault, Route, Timeline
from simlib.core.path import Latency, Path
from simlib.core.tls import LONGEST_FLIGHT_BYTES, Tls, down_bytes, round_trips, up_bytes


def connection(*faults, **path):
    client_path = ClientPath(Path(**path), Timeline(faults, 1), 1, 0)
    return ConnectionPath(client_path, Route.WEBSOCKET, 0.0)


@pytest.mark.parametrize(
    ("tls", "trips"), [("none", 0), ("1.2", 2), ("1.3", 1), ("resumed", 1), (1.2, 2), (1.3, 1)]
)
def test_a_handshake_takes_its_round_trips(tls, trips):
    secured_s = connection(tls=tls, latency=Latency(mean_s=0.25)).secure(1.0)
    assert 1.0 + 0.5 * trips == secured_s


def test_each_flight_takes_its_time_at_the_bandwidth():
    secured_s = connection(tls="1.2", latency=Latency(mean_s=0), bandwidth_bytes_per_s=100).secure(
        0
    )
    flights = [up_bytes(Tls["1.2"], trip) + down_bytes(Tls["1.2"], trip) for trip in (0, 1)]
    assert sum(flights) / 100 == pytest.approx(secured_s)


def test_each_flight_is_as_long_as_was_measured():
    flights = {
        name: [(up_bytes(Tls[name], trip), down_bytes(Tls[name], trip)) for trip in range(trips)]
        for name, trips in (("1.2", 2), ("1.3", 1), ("RESUMED", 1))
    }
    measured = {"1.2": [(162, 1197), (93, 242)], "1.3": [(225, 1354)], "RESUMED": [(517, 241)]}
    assert measured == flights


def test_no_flight_is_longer_than_the_longest():
    flights = [
        size(tls, trip)
        for tls in Tls
        for trip in range(round_trips(tls))
        for size in (up_bytes, down_bytes)
    ]
    assert LONGEST_FLIGHT_BYTES == max(flights)


def test_what_is_lost_on_the_way_never_agrees():
    for direction in ("up", "down"):
        lost = connection(Fault("half_open", 0, direction=direction), tls="1.3")
        assert inf == lost.secure(1.0)


def test_a_request_follows_the_handshake_on_its_own_lanes():
    secured = connection(tls="1.3", latency=Latency(mean_s=0.1), bandwidth_bytes_per_s=1000)
    secured_s = secured.secure(0.0)
    assert secured_s + 0.1 + 0.1 == pytest.approx(secured.send(Stream.UP, secured_s, 100))


@pytest.mark.parametrize("given", ["1.1", 1.1, 13, "TLS", None, True])
def test_another_version_is_refused_with_those_that_there_are(given):
    with pytest.raises(SettingsError, match=r"tls = .*must be one of none, 1\.2, 1\.3, resumed"):
        Path(tls=given)
