from dataclasses import replace
from math import inf

import pytest

from simlib.core.client_path import ClientPath
from simlib.core.draws import Stream, uniform
from simlib.core.errors import SettingsError
from simlib.core.faults import FAULT_FIELDS, Fault, FaultKind, Route, Timeline
from simlib.core.path import NEW_LANE, Lane, Latency, Path, latency_s

WEBSOCKET, HTTP = Route.WEBSOCKET, Route.HTTP
TWENTY_MS = Path(latency=Latency(mean_s=0.02))


def timeline(*faults: Fault, seed: int = 1) -> Timeline:
    return Timeline(faults, seed)


# --- one fault ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"start_s": 5, "stop_s": 5}, "stop_s = 5.0: must be after start_s (5)"),
        ({"start_s": -1}, "start_s = -1: must be a number of seconds, 0 or more"),
        ({"clients_fraction": 1.5}, "clients_fraction = 1.5: must be a number, from 0 to 1"),
        ({"kind": "latency"}, "amount_s = 0.0: must be given for latency: 0 is none"),
        (
            {"kind": "reject", "status": 200},
            "status = 200: must be a whole number, from 400 to 599",
        ),
        (
            {"kind": "reject", "retry_after_s": 1.5},
            "retry_after_s = 1.5: must be a whole number of seconds, 0 or more",
        ),
        (
            {"kind": "reset", "stop_s": 9},
            "stop_s = 9.0: is not for reset, which takes clients_fraction, route",
        ),
        (
            {"kind": "server_crash", "clients_fraction": 0.5},
            "clients_fraction = 0.5: is not for server_crash, which takes stop_s, gateway",
        ),
        (
            {"kind": "outage", "amount_s": 0.5},
            (
                "amount_s = 0.5: is not for outage, "
                "which takes stop_s, clients_fraction, route, announced"
            ),
        ),
        (
            {"kind": "outage", "gateway": 0},
            (
                "gateway = 0: is not for outage, "
                "which takes stop_s, clients_fraction, route, announced"
            ),
        ),
        (
            {"kind": "close", "rolling": True},
            (
                "rolling = True: is not for close, "
                "which takes stop_s, clients_fraction, code, retry_after_s, gateway"
            ),
        ),
        (
            {"kind": "deploy", "stop_s": 9, "rolling": True, "gateway": 1},
            "gateway = 1: is not for a rolling deploy, which goes through all gateways",
        ),
        (
            {"kind": "server_crash", "gateway": -2},
            "gateway = -2: must be a whole number, from -1 to 9,999",
        ),
        (
            {"kind": "outages"},
            (
                'kind = "outages": must be one of outage, reset, black_hole, latency, '
                "server_crash, reject, flap, half_open, loss, bandwidth, handover, deploy, "
                "slow_server, session_expiry, close, client_reload, client_sleep, client_throttle "
                '(did you mean "outage"?)'
            ),
        ),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(SettingsError) as error:
        Fault(**wrong)
    assert message == str(error.value)


def test_a_fault_without_more_lasts_from_the_start_to_the_end_for_all():
    every = {"start_s": 0, "stop_s": inf, "amount_s": 0, "status": 503, "retry_after_s": 0}
    assert Fault() == Fault("outage", clients_fraction=1, route="all", **every)


def test_every_kind_says_which_fields_it_takes():
    assert list(FaultKind) == list(FAULT_FIELDS)


def test_a_reset_is_over_as_it_starts():
    assert 5.0 == Fault("reset", start_s=5).end_s
    assert (9.0, inf) == (Fault("outage", stop_s=9).end_s, Fault("outage").end_s)


# --- the timeline ------------------------------------------------------------------------


@pytest.mark.parametrize(("now", "refused"), [(9.9, 0), (10, 1), (19.9, 1), (20, 0)])
def test_a_fault_acts_from_its_start_up_to_its_stop(now, refused):
    outage = timeline(Fault("outage", start_s=10, stop_s=20))
    assert refused == outage.refuses(0, WEBSOCKET, now)


@pytest.mark.parametrize(
    ("route", "hit"), [("all", (1, 1)), ("websocket", (1, 0)), ("http", (0, 1))]
)
def test_a_fault_lies_on_its_route(route, hit):
    outage = timeline(Fault("outage", route=route))
    assert hit == (outage.refuses(0, WEBSOCKET, 1.0), outage.refuses(0, HTTP, 1.0))
    assert hit == (outage.cuts(0, 0, WEBSOCKET), outage.cuts(0, 0, HTTP))


def test_a_share_of_the_clients_is_hit_the_same_ones_throughout():
    half = timeline(Fault("outage", clients_fraction=0.5), Fault("outage", clients_fraction=0.5))
    first = [client for client in range(2000) if half.hits(0, client)]
    second = [client for client in range(2000) if half.hits(1, client)]
    assert 1000 == pytest.approx(len(first), abs=90)  # four standard errors
    assert 500 == pytest.approx(len(set(first) & set(second)), abs=80)
    assert first == [client for client in range(2000) if half.hits(0, client)]
    other_seed = timeline(Fault("outage", clients_fraction=0.5), seed=2)
    assert first != [client for client in range(2000) if other_seed.hits(0, client)]


def test_a_larger_share_hits_those_of_a_smaller_one_too():
    shares = [timeline(Fault("outage", clients_fraction=f)) for f in (0.0, 0.2, 0.6, 1.0)]
    hit = [{client for client in range(500) if each.hits(0, client)} for each in shares]
    assert hit[0] < hit[1] < hit[2] < hit[3]
    assert (0, 500) == (len(hit[0]), len(hit[3]))


@pytest.mark.parametrize(
    ("kind", "cuts"),
    [
        ("outage", True),
        ("reset", True),
        ("server_crash", True),
        ("black_hole", False),
        ("latency", False),
        ("reject", False),
    ],
)
def test_which_faults_end_connections(kind, cuts):
    fault = Fault(kind, amount_s=1.0 if kind == "latency" else 0.0)
    assert cuts == timeline(fault).cuts(0, 3, HTTP)


def test_a_share_of_the_clients_is_cut():
    reset = timeline(Fault("reset", clients_fraction=0.5))
    assert [reset.hits(0, c) for c in range(50)] == [reset.cuts(0, c, HTTP) for c in range(50)]


def test_the_first_rejection_answers():
    late, early = (
        Fault("reject", start_s=10, status=429, retry_after_s=3),
        Fault("reject", start_s=20, status=503),
    )
    both = timeline(late, early)
    assert [None, late, late] == [both.rejection(0, WEBSOCKET, t) for t in (5.0, 15.0, 25.0)]


def test_delays_add_up():
    both = client_path(
        Fault("latency", start_s=10, stop_s=30, amount_s=0.5),
        Fault("latency", start_s=20, stop_s=40, amount_s=0.25),
    )
    arrivals_s = [arrival_s(both, now) for now in (5, 15, 25, 35, 45)]
    assert [5.02, 15.52, 25.77, 35.27, 45.02] == arrivals_s


def test_a_black_hole_holds_until_it_ends_and_one_may_follow_another():
    holes = client_path(
        Fault("black_hole", start_s=10, stop_s=20),
        Fault("black_hole", start_s=15, stop_s=18),
        Fault("black_hole", start_s=20, stop_s=25),
        Fault("black_hole", start_s=50),
    )
    assert [9.0, 25.0, 25.0, 25.0, inf] == [
        holes.held_until_s(HTTP, now) for now in (9.0, 10.0, 16.0, 25.0, 60.0)
    ]


def test_edges_come_in_order_and_stops_before_starts():
    edges = timeline(
        Fault("outage", start_s=20, stop_s=30),
        Fault("reset", start_s=20),
        Fault("black_hole", start_s=5, stop_s=20),
        Fault("server_crash", start_s=40),
    ).edges()
    assert [
        (5.0, 2, True),
        (20.0, 2, False),
        (20.0, 0, True),
        (20.0, 1, True),
        (30.0, 0, False),
        (40.0, 3, True),
    ] == edges


def test_a_reset_has_a_start_and_no_stop():
    both = timeline(Fault("reset", start_s=3), Fault("outage", start_s=5, stop_s=9))
    assert [(3.0, 0, True), (5.0, 1, True), (9.0, 1, False)] == both.edges()


# --- client_path ----------------------------------------------------------------------------


def client_path(*faults: Fault, path: Path = TWENTY_MS) -> ClientPath:
    return ClientPath(path, timeline(*faults), 1, 0)


def arrival_s(way: ClientPath, now: float) -> float:
    return way.send(NEW_LANE, Stream.UP, HTTP, now, 0).arrival_s


def test_to_connect_takes_one_round_trip():
    assert 1.04 == client_path().connect(WEBSOCKET, 1.0)
    slow = client_path(Fault("latency", start_s=1, stop_s=1.5, amount_s=1))
    # The way there is slow; the way back starts after the fault has ended.
    assert 2.04 == pytest.approx(slow.connect(WEBSOCKET, 1.0))


def test_what_is_sent_into_a_black_hole_arrives_after_it():
    hole = client_path(Fault("black_hole", start_s=10, stop_s=20))
    assert 10.01 == pytest.approx(hole.send(NEW_LANE, Stream.UP, HTTP, 9.99, 100).arrival_s)
    assert 20.02 == hole.send(NEW_LANE, Stream.UP, HTTP, 10.0, 100).arrival_s
    # The answer to what got through just before is held on its way back.
    assert 20.02 == hole.connect(HTTP, 9.99)


def test_what_is_sent_into_an_endless_black_hole_never_arrives():
    hole = client_path(Fault("black_hole", start_s=10))
    lane = hole.send(Lane(3.0, 4.0), Stream.UP, HTTP, 10.0, 100)
    assert Lane(3.0, inf) == lane
    assert inf == hole.connect(HTTP, 10.0)
    assert inf == hole.connect(HTTP, 9.99)


def test_a_fault_on_another_route_or_client_changes_nothing():
    hole = client_path(Fault("black_hole", route="http"), Fault("black_hole", clients_fraction=0.0))
    assert 1.04 == hole.connect(WEBSOCKET, 1.0)


def test_each_direction_numbers_its_draws():
    path = Path(latency=Latency(distribution="exponential"))

    def up(one: ClientPath) -> float:
        return one.send(NEW_LANE, Stream.UP, HTTP, 0.0, 1).arrival_s

    def down(one: ClientPath) -> float:
        return one.send(NEW_LANE, Stream.DOWN, HTTP, 0.0, 1).arrival_s

    first, second = client_path(path=path), client_path(path=path)
    mixed = [up(first), down(first), up(first), down(first)]
    ups, downs = [up(second), up(second)], [down(second), down(second)]
    assert mixed == [ups[0], downs[0], ups[1], downs[1]]
    assert 4 == len(set(mixed))
    # The draws' addresses: stream by direction, index by order of sending.
    assert ups == [latency_s(path.latency, uniform(1, 0, Stream.UP, i)) for i in range(2)]
    assert downs == [latency_s(path.latency, uniform(1, 0, Stream.DOWN, i)) for i in range(2)]


def test_to_connect_costs_no_bandwidth():
    narrow = Path(latency=Latency(mean_s=0.02), bandwidth_bytes_per_s=10)
    assert 1.04 == client_path(path=narrow).connect(WEBSOCKET, 1.0)


# --- faults whose end is not known -------------------------------------------------------


def test_a_fault_may_begin_during_the_run_and_acts_until_it_ends():
    faults = timeline(Fault("outage", 50, 60))
    assert 1 == faults.begin(Fault("black_hole", start_s=1, stop_s=2), 5.0)
    way, times_s = ClientPath(TWENTY_MS, faults, 1, 0), (4.9, 5.0, 7.0)
    assert [4.9, inf, inf] == [way.held_until_s(WEBSOCKET, now) for now in times_s]
    faults.end(1, 8.0)
    assert [4.9, 8.0, 8.0] == [way.held_until_s(WEBSOCKET, now) for now in times_s]
    assert [Fault("outage", 50, 60), Fault("black_hole", 5, 8)] == faults.faults


def test_a_network_without_delays_has_them_once_a_fault_begins_that_delays():
    faults = timeline()
    way = ClientPath(TWENTY_MS, faults, 1, 0)
    assert not faults.impairments
    faults.begin(Fault("latency", amount_s=0.5), 5.0)
    assert faults.impairments
    assert [4.02, 6.52] == [arrival_s(way, now) for now in (4.0, 6.0)]


def test_a_flap_is_the_outages_that_it_is():
    script = timeline(Fault("reset", 1), Fault("flap", 10, 14.5, period_s=2, down_fraction=0.5))
    spans = [(fault.start_s, fault.stop_s) for fault in script.faults[1:]]
    assert [(10.0, 11.0), (12.0, 13.0), (14.0, 14.5)] == spans
    assert [0, 1, 1, 1] == script.origins


def test_a_flap_of_millions_is_refused():
    with pytest.raises(SettingsError, match="makes more than 10,000 outages: choose a longer"):
        Fault("flap", 0, 10_000, period_s=0.1)


def test_slowness_multiplies():
    script = timeline(Fault("slow_server", 0, 10, factor=2), Fault("slow_server", 5, 8, factor=3))
    assert [2.0, 6.0, 1.0] == [script.slowness(now) for now in (1.0, 6.0, 10.0)]


def test_a_close_without_a_stop_takes_a_moment():
    assert (5.0, 9.0) == (Fault("close", 5).end_s, Fault("close", 5, 9).end_s)
    assert [(5.0, 0, True)] == timeline(Fault("close", 5)).edges()


# --- gateways ----------------------------------------------------------------------------


def test_a_crash_of_one_gateway_is_that_of_its_clients_alone():
    script = Timeline((Fault("server_crash", 2, 4, gateway=1), Fault("server_crash", 8)), 1, 3)
    assert [False, True, False] == [script.is_crashed(3.0, gateway) for gateway in range(3)]
    assert [True, True, True] == [script.is_crashed(8.0, gateway) for gateway in range(3)]
    assert [1, 4] == [client for client in range(7) if script.cuts(0, client, HTTP)]
    assert [[1, 4], [1, 4], []] == [script.hit(0, 7, gateway) for gateway in (-1, 1, 2)]
    assert [list(range(7)), [2, 5]] == [script.hit(1, 7), script.hit(1, 7, 2)]
    assert [[False, True, False], [True] * 3] == [
        [script.concerns(index, gateway) for gateway in range(3)] for index in range(2)
    ]


def test_one_gateway_may_be_slow_beside_the_others():
    slow = Fault("slow_server", 0, 10, factor=2), Fault("slow_server", 5, 8, factor=3, gateway=1)
    script = Timeline(slow, 1, 2)
    assert [2.0, 2.0, 2.0, 6.0, 1.0] == [
        script.slowness(now, gateway) for now, gateway in [(1, 0), (1, 1), (6, 0), (6, 1), (10, 1)]
    ]


def test_a_share_of_a_gateway_s_clients_are_those_that_the_share_of_all_hits():
    every, one = Fault("close", clients_fraction=0.5), Fault("close", 0, clients_fraction=0.5)
    script = Timeline((every,), 1, 4)
    alone = Timeline((replace(one, gateway=3),), 1, 4)
    assert script.hit(0, 200, 3) == alone.hit(0, 200)
    assert 10 < len(alone.hit(0, 200)) < 40


def test_a_rolling_deploy_is_one_for_each_gateway_in_its_share_of_the_time():
    rolling = Fault("deploy", 1, 2, rolling=True, retry_after_s=3, clients_fraction=0.5)
    script = Timeline((Fault("reset", 9), rolling), 1, 3)
    third = replace(rolling, rolling=False)
    assert [
        Fault("reset", 9),
        replace(third, stop_s=1 + 1 / 3, gateway=0),
        replace(third, start_s=1 + 1 / 3, stop_s=1 + 2 / 3, gateway=1),
        replace(third, start_s=1 + 2 / 3, stop_s=2, gateway=2),
    ] == script.faults
    assert [0, 1, 1, 1] == script.origins
    # Whom it hits is drawn for the deploy as a whole.
    plain = Timeline((Fault("reset", 9), third), 1, 3)
    parts = sorted(client for index in (1, 2, 3) for client in script.hit(index, 100))
    assert plain.hit(1, 100) == parts
    assert [replace(third, gateway=0)] == Timeline((rolling,), 1).faults


def test_a_fault_that_begins_must_concern_a_gateway_that_there_is():
    script = Timeline((), 1, 2)
    assert 0 == script.begin(Fault("server_crash", gateway=1), 5.0)
    with pytest.raises(SettingsError, match=r"gateway = 2: must be below gateways \(2\)"):
        script.begin(Fault("server_crash", gateway=2), 5.0)


def test_behind_a_balancer_a_gateway_s_fault_may_hit_any_client():
    faults = (Fault("server_crash", gateway=1), Fault("close", clients_fraction=0.5, gateway=1))
    own, balanced = Timeline(faults, 1, 3), Timeline(faults, 1, 3, balanced=True)
    assert [[1, 4], list(range(6))] == [each.hit(0, 6) for each in (own, balanced)]
    # Which gateway is asked about makes no difference, since no client has one of its own.
    assert list(range(6)) == balanced.hit(0, 6, gateway=2)
    assert balanced.hit(1, 200) == [client for client in range(200) if balanced.hits(1, client)]
    assert 60 < len(balanced.hit(1, 200)) < 140


def test_of_the_first_gateway_too_only_its_own_clients_are_hit():
    script = Timeline((Fault("server_crash", 2, 4, gateway=0),), 1, 3)
    assert [0, 3, 6] == script.hit(0, 7)
    assert [True, False] == [script.is_crashed(3.0, gateway) for gateway in (0, 1)]
    assert [False, True, True, False] == [script.is_crashed(now) for now in (1.9, 2.0, 3.9, 4.0)]


def test_a_flap_of_ten_thousand_outages_is_allowed_and_each_is_where_it_should_be():
    flap = Fault("flap", 1, 1001, period_s=0.1, clients_fraction=0.3, route="http", announced=True)
    outages = timeline(flap).faults
    assert 10_000 == len(outages)
    assert 1 + 9_999 * 0.1 == outages[-1].start_s
    for outage in (outages[0], outages[-1]):
        assert (0.3, HTTP, True) == (outage.clients_fraction, outage.route, outage.announced)
    with pytest.raises(SettingsError, match="makes more than 10,000 outages"):
        Fault("flap", 0, 10_001, period_s=1)


@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        ("loss", "loss_fraction = 0.0: must be given for loss: 0 is none"),
        ("bandwidth", "bandwidth_bytes_per_s = inf: must be given for bandwidth: inf is none"),
        ("slow_server", "factor = 1.0: must be given for slow_server: 1 is none"),
        ("flap", "stop_s = inf: must be given for flap: inf is none"),
        ("deploy", "stop_s = inf: must be given for deploy: inf is none"),
    ],
)
def test_a_fault_needs_what_makes_it_one(kind, needed):
    with pytest.raises(SettingsError) as error:
        Fault(kind)
    assert needed == str(error.value)


def test_each_fault_that_begins_draws_for_itself():
    script = timeline(Fault("reset", 9), Fault("flap", 10, 14, period_s=2))
    for expected in (2, 3):
        script.begin(Fault("outage", clients_fraction=0.5), 5.0)
        assert expected == script.origins[-1]
    first, second = (script.hit(index, 200) for index in (3, 4))
    assert first != second
    only = timeline()
    assert 0 == only.begin(Fault("outage"), 1.0)
    assert [0] == only.origins


def test_the_timeline_knows_which_faults_change_the_way_of_what_is_sent():
    script = timeline(
        Fault("outage"),
        Fault("latency", amount_s=1),
        Fault("reset"),
        Fault("loss", loss_fraction=0.1),
    )
    assert [1, 3] == script.impairment_origins
    assert [FaultKind.LATENCY, FaultKind.LOSS] == [fault.kind for fault in script.impairments]


#: What a fault of a kind needs to be one.
NEEDED = {
    "latency": {"amount_s": 1}, "loss": {"loss_fraction": 0.1}, "slow_server": {"factor": 2},
    "bandwidth": {"bandwidth_bytes_per_s": 9}, "flap": {"stop_s": 9}, "deploy": {"stop_s": 9},
}  # fmt: skip


@pytest.mark.parametrize("kind", FaultKind, ids=lambda kind: kind.name)
def test_what_each_kind_does_at_its_start_on_the_way_and_at_its_end(kind):
    name = kind.name.lower()
    fault = Fault(name, 5, **NEEDED.get(name, {}))
    script = timeline(fault)
    # A flap stands as the outages that it is.
    assert (name in {"outage", "flap", "reset", "server_crash"}) == script.cuts(0, 3, HTTP)
    on_the_way = {"black_hole", "latency", "half_open", "loss", "bandwidth", "handover"}
    assert (name in on_the_way) == bool(script.impairments)
    moments = {"reset", "handover", "session_expiry", "close"}
    assert (5.0 if name in moments else fault.stop_s) == fault.end_s
    assert (name in {"outage", "flap"}) == script.refuses(0, WEBSOCKET, 5.5)
    assert (name == "reject") == (script.rejection(0, WEBSOCKET, 5.5) is not None)
    assert (name == "server_crash") == script.is_crashed(5.5)
    assert (name == "deploy") == script.is_draining(0, 5.5)
    assert (2.0 if name == "slow_server" else 1.0) == script.slowness(5.5)
