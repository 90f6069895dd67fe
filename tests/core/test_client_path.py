"""What a network with faults does to one connection."""

from math import inf

import pytest

from simlib.core.client_path import ClientPath, ConnectionPath
from simlib.core.draws import Stream, uniform
from simlib.core.faults import Fault, Route, Timeline
from simlib.core.path import Latency, Path, dark_s, stall_s

UP, DOWN = Stream.UP, Stream.DOWN
PATH = Path(latency=Latency(mean_s=0.5))
EXPONENTIAL = Latency(distribution="exponential", mean_s=0.5)


def connection_path(*faults: Fault, path: Path = PATH, born_s: float = 0.0) -> ConnectionPath:
    client_path = ClientPath(path, Timeline(faults, 1), 1, 0)
    return ConnectionPath(client_path, Route.WEBSOCKET, born_s)


def test_a_half_open_connection_has_lost_a_direction_for_good():
    way = connection_path(Fault("half_open", 5, 8, direction="down"))
    assert [4.5, 4.5] == [way.send(UP, 4.0, 10), way.send(DOWN, 4.0, 10)]
    assert [6.5, inf] == [way.send(UP, 6.0, 10), way.send(DOWN, 6.0, 10)]
    assert [9.5, inf] == [way.send(UP, 9.0, 10), way.send(DOWN, 9.0, 10)]
    # Who said nothing into the fault lost nothing.
    spared = connection_path(Fault("half_open", 5, 8, direction="down"))
    assert 9.5 == spared.send(DOWN, 9.0, 10)


def test_a_handover_leaves_older_connections_behind():
    handover = Fault("handover", 5)
    old, new = connection_path(handover), connection_path(handover, born_s=5.0)
    assert 5.4 == pytest.approx(old.send(UP, 4.9, 0))
    assert [inf, inf] == [old.send(UP, 5.0, 10), old.send(DOWN, 7.0, 10)]
    assert 6.5 == new.send(UP, 6.0, 10)


def test_an_idle_connection_is_forgotten_and_traffic_either_way_keeps_it():
    path = Path(latency=Latency(mean_s=0.5), idle_timeout_s=10)
    kept = connection_path(path=path)
    assert [9.5, 19.5, 29.5] == [
        kept.send(UP, 9.0, 0),
        kept.send(DOWN, 19.0, 0),
        kept.send(UP, 29.0, 0),
    ]
    assert [inf, inf] == [kept.send(UP, 39.5, 0), kept.send(UP, 39.6, 0)]


def test_a_path_that_closes_what_is_idle_says_when_and_traffic_either_way_puts_it_off():
    path = Path(latency=Latency(mean_s=0.5), idle_timeout_s=10, idle_action="close")
    way = connection_path(path=path, born_s=1.0)
    assert 11.0 == way.closes_s
    way.send(DOWN, 9.0, 0)
    assert 19.0 == way.closes_s
    assert inf == connection_path(path=Path(idle_timeout_s=10)).closes_s
    assert inf == connection_path(path=Path(idle_action="close")).closes_s


def test_what_a_handover_has_lost_is_not_closed_since_nobody_would_hear_of_it():
    path = Path(latency=Latency(mean_s=0.5), idle_timeout_s=10, idle_action="close")
    way = connection_path(Fault("handover", 5), path=path)
    way.send(UP, 6.0, 10)
    assert inf == way.closes_s


def test_bandwidth_and_latency_of_a_fault_come_on_top():
    way = connection_path(
        Fault("bandwidth", 0, 9, bandwidth_bytes_per_s=100), Fault("latency", 0, 9, amount_s=1)
    )
    assert [3.5, 4.5] == [way.send(UP, 0.0, 200), way.send(UP, 0.0, 100)]
    assert 20.5 == way.send(UP, 20.0, 200)


@pytest.mark.parametrize("distribution", ["uniform", "exponential", "lognormal", "pareto", "gamma"])
def test_a_fault_that_does_not_act_changes_no_latency(distribution):
    path = Path(latency=Latency(distribution=distribution, mean_s=0.5, floor_s=0.1))
    plain = connection_path(path=path)
    spared = connection_path(Fault("latency", 900, 901, amount_s=1), path=path)
    moments = [(way, 10.0 * i) for i in range(20) for way in (UP, DOWN)]
    arrivals = [plain.send(*each, 10) for each in moments]
    assert arrivals == [spared.send(*each, 10) for each in moments]
    assert len({arrival - now for arrival, (_, now) in zip(arrivals, moments, strict=True)}) == 40


@pytest.mark.parametrize("latency", [Latency(mean_s=0.5), EXPONENTIAL])
def test_what_was_sent_before_a_fault_was_known_of_counts_for_its_draws(latency):
    """A fault by hand finds the draws where they are, as one of the scenario does."""
    loss = Fault("loss", 50, loss_fraction=0.5)
    known, surprised = Timeline([loss], 1), Timeline([], 1)
    paths = [ClientPath(Path(latency=latency), each, 1, 0) for each in (known, surprised)]
    ways = [ConnectionPath(each, Route.WEBSOCKET, 0.0) for each in paths]
    assert paths[0].connect(Route.WEBSOCKET, 1.0) == paths[1].connect(Route.WEBSOCKET, 1.0)
    for now in range(2, 20):
        for way in (UP, UP, DOWN):
            assert ways[0].send(way, float(now), 10) == ways[1].send(way, float(now), 10)
    surprised.begin(Fault("loss", loss_fraction=0.5), 50.0)
    later = [(way, 50.0 + 30.0 * i) for i in range(20) for way in (UP, DOWN)]
    arrivals = [ways[0].send(way, now, 10) for way, now in later]
    assert arrivals == [ways[1].send(way, now, 10) for way, now in later]
    assert any(arrival > now + 0.65 for arrival, (_, now) in zip(arrivals, later, strict=True))


def test_a_hole_of_unknown_end_holds_and_a_lost_direction_does_not():
    held = connection_path(Fault("black_hole", 5))
    assert inf == held.send(UP, 6.0, 10)
    assert held.holds(UP, 6.0)
    lost = connection_path(Fault("half_open", 5, direction="up"), Fault("black_hole", 5))
    assert inf == lost.send(UP, 6.0, 10)
    assert not lost.holds(UP, 6.0)


@pytest.mark.parametrize(("u", "stalled_s"), [(0.0, 0.0), (0.5, 0.2), (0.75, 0.6), (0.875, 1.4)])
def test_each_loss_in_a_row_doubles_the_wait(u, stalled_s):
    assert stalled_s == pytest.approx(stall_s(0.5, 0.2, u))
    assert 0.0 == stall_s(0.0, 0.2, u)


def test_losses_have_their_share_and_stall_what_follows():
    lossy = connection_path(path=Path(latency=Latency(mean_s=0.5), loss_fraction=0.25))
    late = [lossy.send(UP, 100.0 * i, 0) - 100.0 * i > 0.6 for i in range(4000)]
    assert 0.25 == pytest.approx(sum(late) / len(late), abs=0.025)
    faulty = connection_path(Fault("loss", 0, 1e6, loss_fraction=0.25))
    late = [faulty.send(UP, 100.0 * i, 0) - 100.0 * i > 0.6 for i in range(4000)]
    assert 0.25 == pytest.approx(sum(late) / len(late), abs=0.025)


@pytest.mark.parametrize(
    ("path", "faults"),
    [
        (Path(latency=Latency(mean_s=0.5), loss_fraction=0.25, rto_s=0.5), ()),
        (Path(latency=Latency(mean_s=0.5), rto_s=0.5), (Fault("loss", loss_fraction=0.25),)),
    ],
    ids=["the path's", "a fault's"],
)
def test_each_direction_draws_its_losses_for_itself(path, faults):
    way = connection_path(*faults, path=path)
    for index in range(40):
        now = 1e5 * index
        for direction, stream in ((UP, Stream.LOSS_UP), (DOWN, Stream.LOSS_DOWN)):
            late_s = stall_s(0.25, 0.5, uniform(1, 0, stream, index))
            arrival_s = way.send(direction, now, 0)
            assert now + 0.5 + late_s == pytest.approx(arrival_s, abs=1e-6)


def test_losses_of_path_and_fault_come_together():
    path = Path(latency=Latency(mean_s=0.5), loss_fraction=0.5, rto_s=0.5)
    way = connection_path(Fault("loss", loss_fraction=0.5), path=path)
    for index in range(40):
        late_s = stall_s(0.75, 0.5, uniform(1, 0, Stream.LOSS_UP, index))
        assert 1e5 * index + 0.5 + late_s == pytest.approx(way.send(UP, 1e5 * index, 0), abs=1e-6)


def test_the_narrowest_bandwidth_counts():
    faults = [Fault("bandwidth", bandwidth_bytes_per_s=rate) for rate in (200, 100, 400)]
    assert 0.5 + 3.0 == connection_path(*faults).send(UP, 0.0, 300)
    narrow = Path(latency=Latency(mean_s=0.5), bandwidth_bytes_per_s=50)
    assert 0.5 + 6.0 == connection_path(*faults, path=narrow).send(UP, 0.0, 300)


@pytest.mark.parametrize(
    "looks",
    [
        {},
        {"latency": Latency(distribution="uniform", mean_s=0.5, floor_s=0.5)},
        {"idle_timeout_s": 60},
        {"blackout_every_s": 100, "blackout_s": 0.1},
    ],
    ids=lambda looks: next(iter(looks), "plain"),
)
def test_the_packets_that_open_a_connection_take_no_bandwidth(looks):
    path = Path(**{"latency": PATH.latency, "bandwidth_bytes_per_s": 100} | looks)
    slower = Fault("bandwidth", 5, 20, bandwidth_bytes_per_s=50)
    for faults in ((), (slower,)):
        client_path = ClientPath(path, Timeline(faults, 1), 1, 0)
        assert 11.0 == client_path.connect(Route.WEBSOCKET, 10.0)


def test_what_leaves_into_a_blackout_is_sent_again_until_it_is_over():
    path = Path(latency=Latency(mean_s=0.5), blackout_every_s=15, blackout_s=0.47)
    assert [0.0, 0.0, 0.0] == [dark_s(path, at) for at in (0.0, 14.5, 15.0)]
    # 0.2 and 0.4 s later it is still dark, or not any more.
    assert [0.6, 0.2] == pytest.approx([dark_s(path, at) for at in (14.55, 14.85)])
    assert 15.65 == pytest.approx(connection_path(path=path).send(UP, 14.55, 0))
    assert 0.0 == dark_s(Path(), 14.9)


def test_a_blackout_ends():
    for longer_s in (15, 20):
        with pytest.raises(ValueError, match="must be shorter than blackout_every_s"):
            Path(blackout_every_s=15, blackout_s=longer_s)


def test_a_resend_that_always_meets_the_blackout_waits_no_longer_than_tcp_does():
    # Every resend falls into the dark, as its period divides the back-off; TCP gives up growing.
    path = Path(rto_s=0.2, blackout_every_s=0.4, blackout_s=0.3)
    assert dark_s(path, 0.15) < 15 * 120


def test_tcp_waits_twice_as_long_each_time_up_to_two_minutes_and_for_fifteen_times():
    # Times that a float holds exactly: 0.25 to 64 s, and then six times 120 s.
    path = Path(rto_s=0.25, blackout_every_s=0.5, blackout_s=0.375)
    assert 0.25 * (2**9 - 1) + 6 * 120.0 == dark_s(path, 0.1875)
    # Whose first wait is longer keeps to that.
    path = Path(rto_s=200.0, blackout_every_s=200.0, blackout_s=100.0)
    assert 15 * 200.0 == dark_s(path, 150.0)
    assert 0.25 * (2**15 - 1) == stall_s(0.99, 0.25, 1.0 - 2.0**-53)


def test_it_is_dark_from_the_first_moment_of_a_blackout_to_the_last():
    path = Path(rto_s=0.25, blackout_every_s=8.0, blackout_s=0.5)
    assert [0.0, 0.75, 0.25] == [dark_s(path, at) for at in (7.4375, 7.5, 7.75)]
