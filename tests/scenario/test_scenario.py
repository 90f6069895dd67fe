import tomllib
from dataclasses import fields
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simlib as sl
from simlib.core.backoff_kinds import CountedFrom, Growth, Jitter, JitterPlace
from simlib.core.errors import SettingsError
from simlib.core.events import Priority
from simlib.core.faults import FAULT_FIELDS, Direction, FaultKind, Route
from simlib.core.outbox import Persist, WhenFull
from simlib.core.path import Distribution
from simlib.core.quality import Quality
from simlib.core.server_settings import ServiceTime
from simlib.core.tls import Tls
from simlib.scenario.build import build
from simlib.scenario.workload import Arrivals, TimeOrigin
from tests.batteries import examples

# --- any scenario ------------------------------------------------------------------------

TIME_S = st.floats(0.0, 1000.0)
ABOVE_S = st.floats(0.001, 1000.0)
COUNT = st.just(inf) | st.integers(1, 1000)
TEXT = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp"), blacklist_characters="/\\"),
    min_size=1,
    max_size=50,
)
RATE = st.builds(sl.Rate, per_s=st.just(inf) | ABOVE_S, burst=st.integers(1, 100))
GROWTHS = st.builds(
    dict, growth=st.sampled_from([Growth.EXPONENTIAL, Growth.LINEAR]), compounding=st.booleans()
) | st.just({"growth": Growth.POWER})
JITTERS = st.builds(
    dict,
    jitter=st.sampled_from(sorted(set(Jitter) - {Jitter.DECORRELATED})),
    drawn_above_floor=st.booleans(),
) | st.just({"jitter": Jitter.DECORRELATED})
BACKOFF = st.builds(
    lambda growths, jitters, **more: sl.Backoff(**growths, **jitters, **more),
    GROWTHS,
    JITTERS,
    base_s=st.floats(0.001, 10.0),
    cap_s=st.floats(10.0, 100.0),
    factor=st.floats(1.0, 9.0),
    rise_s=TIME_S,
    exponent=st.floats(0.0, 10.0),
    floor_s=st.floats(0.0, 10.0),
    counted_from=st.sampled_from(CountedFrom),
    spread_fraction=st.floats(0.0, 1.0),
    add_least_s=st.floats(-9.0, 0.0),
    add_most_s=st.floats(0.0, 9.0),
    jitter_place=st.sampled_from(JitterPlace),
    drawn_once=st.booleans(),
    first_jitter=st.sampled_from([Jitter.NONE, Jitter.FULL]),
    after_loss_s=st.just(inf) | TIME_S,
    after_loss_jitter=st.sampled_from([Jitter.NONE, Jitter.ADDITIVE]),
    give_up_after_s=st.just(inf) | TIME_S,
    hint_cap_s=st.just(inf) | ABOVE_S,
    heeds_hint=st.booleans(),
    first_s=st.just(inf) | st.floats(0.0, 10.0),
    steps_s=st.lists(st.floats(0.0, 10.0), max_size=3),
    max_attempts=COUNT | st.just(0),
    stable_after_s=TIME_S,
)
STOPS = st.builds(
    sl.Stops,
    ends_on=st.lists(st.sampled_from([410, 1008, "404-409", "4400-4499"]), unique=True),
    suspends_on=st.lists(st.sampled_from([401, 403, 3000, "4000-4099"]), unique=True),
)
SETTINGS = st.builds(
    sl.Settings,
    backoff=BACKOFF,
    breaker=st.builds(
        sl.Breaker,
        trip_after=COUNT,
        failure_fraction=st.just(inf) | st.floats(0.1, 1.0),
        window=st.integers(1, 60),
        least=st.integers(1, 60),
        open_s=ABOVE_S,
        factor=st.floats(1.0, 9.0),
        longest_open_s=st.just(inf) | ABOVE_S,
        open_spread_fraction=st.floats(0.0, 1.0),
        probes=st.integers(1, 9),
    ),
    attempt_budget=st.builds(
        sl.AttemptBudget,
        per_s=st.just(inf) | TIME_S,
        burst=st.integers(1, 100),
        success_fraction=st.floats(0.0, 1.0),
    ),
    connect_budget=RATE,
    outbox=st.builds(
        lambda acks, **limits: sl.OutboxLimits(**acks, **limits),
        acks=st.builds(dict, max_resends=COUNT | st.just(0))
        | st.just({"awaits_ack": False, "max_resends": 0}),
        capacity=COUNT,
        max_in_flight=COUNT,
        ack_timeout_s=st.just(inf) | ABOVE_S,
        when_full=st.sampled_from(WhenFull),
        coalesce=st.booleans(),
        age_after_s=st.just(inf) | ABOVE_S,
        persist=st.sampled_from(Persist),
        quota_bytes=st.just(inf) | ABOVE_S,
    ),
    draft=st.builds(sl.DraftRules, debounce_s=TIME_S, longest_s=st.just(inf) | TIME_S),
    rate=RATE,
    heartbeat=st.builds(
        sl.HeartbeatRules,
        interval_s=st.just(inf) | ABOVE_S,
        timeout_s=ABOVE_S,
        any_traffic=st.booleans(),
    ),
    quality=st.builds(
        sl.QualityRules,
        excellent_s=st.floats(0.01, 0.1),
        good_s=st.floats(0.2, 0.5),
        fair_s=st.floats(0.6, 9.0),
        poor_failure_fraction=st.floats(0.1, 1.0),
        window=st.integers(1, 60),
        margin_fraction=st.floats(0.0, 0.9),
        better_after_s=TIME_S,
    ),
    fallback=st.builds(
        sl.Fallback,
        after_attempts=COUNT,
        when_quality=st.sampled_from(Quality),
        quality_for_s=TIME_S,
        poll_interval_s=ABOVE_S,
        save_data_factor=st.floats(1.0, 9.0),
        return_after_s=TIME_S,
        dwell_s=TIME_S,
    ),
    session=st.builds(
        sl.SessionRules,
        sign_in_after_s=st.just(inf) | TIME_S,
        spread_s=TIME_S,
        renew_before_s=st.just(inf) | TIME_S,
        again_after_s=ABOVE_S,
    ),
    stops=STOPS,
    connect_timeout_s=ABOVE_S,
)
SCALING = st.builds(
    sl.Scaling,
    at_backlog=COUNT,
    delay_s=TIME_S,
    workers=st.integers(1, 100),
    most_steps=st.integers(1, 100),
)
SERVERS = st.builds(
    lambda hint, deduplicates, remember, **settings: sl.ServerSettings(
        # What is kept on disk are the ids by which it tells messages sent again.
        **hint,
        deduplicates=deduplicates or remember == "disk",
        remember=remember,
        **settings,
    ),
    deduplicates=st.booleans(),
    remember=st.sampled_from(["memory", "disk"]),
    hint=st.builds(dict, retry_after_s=st.integers(0, 1000))
    | st.builds(dict, advises_window_s=TIME_S),
    accept_per_s=st.just(inf) | ABOVE_S,
    workers=st.integers(1, 100),
    handshake_service_s=TIME_S,
    tls_service_s=TIME_S,
    handshake_service=st.sampled_from(ServiceTime),
    backlog=COUNT | st.just(0),
    backlog_full=st.just("refuse"),  # drop needs a backlog with a bound
    max_connections=COUNT,
    message_service_s=TIME_S,
    rate=RATE,
    history=COUNT | st.just(0),
    session_lifetime_s=ABOVE_S,
    sign_in_service_s=TIME_S,
    silence_timeout_s=st.just(inf) | ABOVE_S,
    resync_service_s=TIME_S,
    scaling=SCALING,
    max_connection_age_s=st.just(inf) | ABOVE_S,
    per_address=st.builds(
        sl.AddressLimit,
        accept_per_s=st.just(inf) | ABOVE_S,
        burst=st.integers(1, 100),
        clients=st.integers(1, 100),
        status=st.sampled_from([429, 503]),
    ),
    max_connection_age_jitter_fraction=st.floats(0.0, 1.0),
)
NAME_RULE = (
    "must be a text without slashes and control characters, not of dots alone, and of at most 200 "
    "bytes"
)
LATENCIES = st.builds(
    sl.Latency,
    distribution=st.sampled_from(sorted(set(Distribution) - {Distribution.TABLE})),
    mean_s=st.floats(1.0, 9.0),
    floor_s=st.floats(0.0, 1.0),
    shape=st.floats(1.1, 9.0),
) | st.builds(
    sl.Latency,
    distribution=st.just(Distribution.TABLE),
    table_s=st.lists(TIME_S, min_size=2, max_size=4).map(sorted),
)
PATHS = st.builds(
    sl.Path,
    latency=LATENCIES,
    bandwidth_bytes_per_s=st.just(inf) | ABOVE_S,
    tls=st.sampled_from(sorted(set(Tls) - {Tls.NONE})),  # which the server's work on it needs
    loss_fraction=st.floats(0.0, 0.9),
    rto_s=ABOVE_S,
    idle_timeout_s=st.just(inf) | ABOVE_S,
    idle_action=st.sampled_from(["forget", "close"]),
    blackout_every_s=st.just(inf) | st.floats(10.0, 99.0),
    blackout_s=st.floats(0.0, 9.0),
)
WORKLOADS = st.builds(
    sl.Workload,
    arrivals=st.sampled_from(sorted(set(Arrivals) - {Arrivals.RECORDED})),
    rate_per_s=TIME_S,
    start_s=st.floats(0.0, 10.0),
    stop_s=st.just(inf) | st.floats(11.0, 20.0),
    size_bytes=st.integers(1, 1_000_000),
    expires_after_s=st.just(inf) | ABOVE_S,
    critical_fraction=st.floats(0.0, 0.3),
    high_fraction=st.floats(0.0, 0.3),
    low_fraction=st.floats(0.0, 0.4),
    burst=st.integers(1, 100),
    pause_s=TIME_S,
    keys=st.integers(0, 100),
    recorded=st.just(()),
    time_origin=st.sampled_from(TimeOrigin),
) | st.builds(
    sl.Workload,
    arrivals=st.just("recorded"),
    recorded=st.lists(
        st.tuples(st.floats(0.0, 49.0), st.sampled_from(Priority), st.integers(1, 1000)),
        min_size=1,
        max_size=3,
    ),
    time_origin=st.sampled_from(TimeOrigin),
)


COHORTS = st.builds(
    sl.Cohort,
    name=TEXT,
    clients_fraction=st.floats(0.0, 0.5),
    client=st.builds(sl.Settings, backoff=BACKOFF),
)
HINTS = st.builds(
    sl.Hint,
    start_s=st.floats(0.0, 49.0),
    rtt_s=TIME_S,
    downlink_bytes_per_s=TIME_S,
    save_data=st.booleans(),
    online=st.booleans(),
    clients_fraction=st.floats(0.0, 1.0),
)


@st.composite
def faults(draw):
    kind = draw(st.sampled_from(FaultKind))
    values = {
        "stop_s": draw(st.just(inf) | st.floats(50.0, 100.0)),
        "amount_s": draw(ABOVE_S),
        "status": draw(st.integers(400, 599)),
        "retry_after_s": draw(st.integers(0, 1000)),
        "clients_fraction": draw(st.floats(0.0, 1.0)),
        "route": draw(st.sampled_from(Route)),
        "direction": draw(st.sampled_from(Direction)),
        "loss_fraction": draw(st.floats(0.1, 0.9)),
        "bandwidth_bytes_per_s": draw(ABOVE_S),
        "period_s": draw(st.floats(0.1, 9.0)),
        "timers_every_s": draw(ABOVE_S),
        "down_fraction": draw(st.floats(0.1, 1.0)),
        "factor": draw(st.floats(1.1, 9.0)),
        "code": draw(st.integers(1000, 4999)),
        "announced": draw(st.booleans()),
        "gateway": draw(st.integers(-1, 2)),
    }
    values["rolling"] = values["gateway"] < 0 and draw(st.booleans())
    if kind in {FaultKind.FLAP, FaultKind.DEPLOY}:
        values["stop_s"] = draw(st.floats(50.0, 100.0))
    start_s = draw(st.floats(0.0, 49.0))
    return sl.Fault(kind, start_s, **{name: values[name] for name in FAULT_FIELDS[kind]})


SCENARIOS = st.builds(
    sl.Scenario,
    name=TEXT,
    teaches=TEXT,
    clients=st.integers(1, 10**8),
    duration_s=st.floats(50.0, 1000.0),
    seed=st.integers(0, 2**32 - 1),
    ramp_s=st.floats(0.0, 49.0),
    warm_up_s=st.floats(0.0, 49.0),
    client=SETTINGS,
    server=SERVERS,
    path=PATHS,
    workload=WORKLOADS,
    faults=st.lists(faults(), max_size=3),
    hints=st.lists(HINTS, max_size=3),
    stay_s=st.just(inf) | ABOVE_S,
    gateways=st.integers(3, 10_000),
    cohorts=st.lists(COHORTS, max_size=2, unique_by=lambda cohort: cohort.name),
    arrivals=st.sampled_from(["even", "poisson", "uniform"]),
    arrivals_s=st.just(()),
    arrivals_origin=st.sampled_from(["run", "first"]),
    balance=st.sampled_from(["fixed", "round_robin", "random", "least_connections"]),
)


@pytest.mark.slow
@settings(max_examples=examples(40))
@given(SCENARIOS)
def test_a_scenario_survives_toml(scenario):
    again = build(sl.Scenario, tomllib.loads(sl.dump(scenario)))
    assert scenario == again
    assert hash(scenario) == hash(again)
    assert sl.dump(scenario) == sl.dump(again)


def test_the_round_trip_tries_every_field():
    tried = {
        sl.Backoff: BACKOFF,
        sl.Settings: SETTINGS,
        sl.Stops: STOPS,
        sl.ServerSettings: SERVERS,
        sl.Path: PATHS,
        sl.Workload: WORKLOADS,
        sl.Hint: HINTS,
        sl.Cohort: COHORTS,
        sl.Scaling: SCALING,
        sl.Scenario: SCENARIOS,
    }
    for kind, strategy in tried.items():
        # A strategy's own words for its arguments: a new field must be given to it above.
        text = repr(strategy)
        assert all(f"{item.name}=" in text for item in fields(kind) if item.init), kind


def test_only_what_differs_is_written():
    scenario = sl.Scenario(
        name="storm",
        clients=5,
        client=sl.Settings(backoff=sl.Backoff(jitter="equal", max_attempts=3)),
        faults=[sl.Fault("outage", 10, 20), sl.Fault("reset", 30, route="http")],
    )
    assert scenario == build(sl.Scenario, tomllib.loads(sl.dump(scenario)))
    assert {
        "name": "storm",
        "clients": 5,
        "client": {"backoff": {"jitter": "equal", "max_attempts": 3}},
        "faults": [
            {"kind": "outage", "start_s": 10.0, "stop_s": 20.0},
            {"kind": "reset", "start_s": 30.0, "route": "http"},
        ],
    } == tomllib.loads(sl.dump(scenario))


# --- equal, hashable, frozen -------------------------------------------------------------


def test_scenarios_are_values():
    one = sl.Scenario(faults=[sl.Fault("outage", start_s=10)])
    other = sl.Scenario(faults=(sl.Fault("outage", start_s=10.0),))
    assert one == other
    assert 1 == len({one, other})
    with pytest.raises(AttributeError):
        one.clients = 3


# --- replace -----------------------------------------------------------------------------

STORM = sl.Scenario(
    faults=[sl.Fault("outage", 10, 20), sl.Fault("reset", 30)], cohorts=[sl.Cohort()]
)


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("clients", 7, 7),
        ("client.backoff.cap_s", 5, 5.0),
        ("client.backoff.jitter", "none", Jitter.NONE),
        ("client.backoff", sl.Backoff(base_s=2), sl.Backoff(base_s=2)),
        ("path.latency.mean_s", 0.5, 0.5),
        ("faults.1.start_s", 40, 40.0),
        ("faults.0", sl.Fault("reset", 3), sl.Fault("reset", 3)),
        ("faults", [], ()),
        ("server.scaling.at_backlog", 9, 9.0),
        ("cohorts.0.client.backoff.jitter", "none", Jitter.NONE),
    ],
)
def test_replace_changes_one_field_and_nothing_else(key, value, kept):
    changed = STORM.replace(key, value)
    found = changed
    for part in key.split("."):
        found = found[int(part)] if part.isdigit() else getattr(found, part)
    assert kept == found
    assert changed != STORM
    old = STORM
    for part in key.split("."):
        old = old[int(part)] if part.isdigit() else getattr(old, part)
    assert STORM == changed.replace(key, old)


def test_replace_takes_several_top_fields_at_once():
    assert (3, 9) == (STORM.replace(clients=3, seed=9).clients, STORM.replace(seed=9).seed)
    both = STORM.replace("client.backoff.cap_s", 5, clients=3)
    assert (5.0, 3) == (both.client.backoff.cap_s, both.clients)
    assert STORM == STORM.replace()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "client.backof.cap_s",
            5,
            'client.backof = 5: is not a setting (did you mean "backoff"?)',
        ),
        ("client.backoff.step_count", 5, "client.backoff.step_count = 5: is not a setting"),
        ("clients.number", 5, "clients.number = 5: is not a setting"),
        ("", 5, " = 5: is not a setting"),
        (
            "client.backoff.cap_s",
            0.5,
            "client.backoff.cap_s = 0.5: must not be below base_s (1)",
        ),
        ("client.rate", 5, "client.rate = 5: must be Rate(...)"),
        ("clients", 0, "clients = 0: must be a whole number, from 1 to 100,000,000"),
        ("faults.2.start_s", 5, "faults.2 = 5: must name one of 2 by its number, from 0"),
        ("faults.-1", 5, "faults.-1 = 5: must name one of 2 by its number, from 0"),
        ("faults.01.start_s", 5, "faults.01 = 5: must name one of 2 by its number, from 0"),
        ("faults.\uff11", 5, "faults.\uff11 = 5: must name one of 2 by its number, from 0"),
        ("faults.0.stop_s", 5, "faults.0.stop_s = 5.0: must be after start_s (10)"),
        ("faults.0", 5, "faults[0] = 5: must be a Fault"),
    ],
)
def test_replace_names_the_path_that_is_wrong(key, value, message):
    with pytest.raises(sl.SettingsError) as error:
        STORM.replace(key, value)
    assert error.value.key.strip() or not key
    assert str(error.value).startswith(message)


# --- wrong parts -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "a/b"}, f'name = "a/b": {NAME_RULE}'),
        ({"name": ""}, f'name = "": {NAME_RULE}'),
        ({"name": ".."}, f'name = "..": {NAME_RULE}'),
        ({"name": 3}, f"name = 3: {NAME_RULE}"),
        ({"teaches": 3}, "teaches = 3: must be a text"),
        ({"ramp_s": 60}, "ramp_s = 60.0: must be shorter than duration_s"),
        ({"warm_up_s": 60}, "warm_up_s = 60.0: must be shorter than duration_s"),
        ({"warm_up_s": -1}, "warm_up_s = -1: must be a number of seconds, 0 or more"),
        ({"faults": [3]}, "faults[0] = 3: must be a Fault"),
        ({"gateways": 0}, "gateways = 0: must be a whole number, from 1 to 10,000"),
        (
            {"gateways": 2, "faults": [sl.Fault("server_crash", gateway=2)]},
            (
                "faults[0].gateway = 2: must be below gateways (2): "
                "they are counted from 0; -1 is all"
            ),
        ),
        ({"cohorts": sl.Cohort()}, "cohorts = Cohort("),
        (
            {
                "cohorts": [
                    sl.Cohort(name="a", clients_fraction=0.7),
                    sl.Cohort(clients_fraction=0.7),
                ]
            },
            ("cohorts[1].clients_fraction = 0.7: the shares of the cohorts add up to 1.4, above 1"),
        ),
        (
            {"cohorts": [sl.Cohort(clients_fraction=0.1), sl.Cohort(clients_fraction=0.1)]},
            'cohorts[1].name = "cohort": is the name of an earlier cohort',
        ),
        ({"client": 3}, "client = 3: must be Settings(...)"),
        (
            {"faults": 3},
            "faults = 3: must be a list of faults, each [[faults]] in TOML",
        ),
        (
            {"faults": [sl.Fault(start_s=60)]},
            "faults[0].start_s = 60.0: must be before the end of the run (duration_s = 60)",
        ),
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(sl.SettingsError) as error:
        sl.Scenario(**wrong)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"low_fraction": 0.9},
            "low_fraction = 0.9: the shares of the priorities add up to 1.1, above 1",
        ),
        ({"start_s": 5, "stop_s": 5}, "stop_s = 5.0: must be after start_s (5)"),
    ],
)
def test_a_workload_that_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(sl.SettingsError) as error:
        sl.Workload(**wrong)
    assert message == str(error.value)


# --- files -------------------------------------------------------------------------------


def written(folder, text: str):
    file = folder / "storm.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def test_a_file_gives_its_name_to_a_scenario_without_one(tmp_path):
    assert "storm" == sl.load(written(tmp_path, "clients = 3")).name
    assert "other" == sl.load(written(tmp_path, 'name = "other"')).name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clients = 0", "clients = 0: must be a whole number, from 1 to 100,000,000"),
        (
            "[client.backoff]\ncap = 3",
            'client.backoff.cap = 3: is not a setting (did you mean "cap_s"?); known are jitter,',
        ),
        ("[client.backoff]\nbase_s = -1", "client.backoff.base_s = -1: must be a number of"),
        ("client = 3", "client = 3: must be a table of settings"),
        ("[client]\nbackoff = 3", "client.backoff = 3: must be a table of settings"),
        ("faults = 3", "faults = 3: must be a list of faults"),
        ("faults = [3]", "faults[0] = 3: must be a table of settings"),
        (
            '[[faults]]\nkind = "reset"\n[[faults]]\nkind = "outage"\nstop_s = 0',
            "faults[1].stop_s = 0.0: must be after start_s (0)",
        ),
        (
            "[[cohorts]]\n[cohorts.client.backof]",
            "cohorts[0].client.backof = {}: is not a setting (",
        ),
        (
            "[client.stops]\nends_on = [600]",
            "client.stops.ends_on[0] = 600: must be an HTTP status from 400 to 599, a close code",
        ),
        (
            "[client.stops]\nends_on = [1008, 401]",
            "client.stops.suspends_on[0] = 401: is in ends_on too (401): a code has one meaning",
        ),
        (
            "[[cohorts]]\n[cohorts.client.stops]\nend_on = []",
            'cohorts[0].client.stops.end_on = []: is not a setting (did you mean "ends_on"?)',
        ),
        ('[path.latency]\nmean_s = "20 ms"', 'path.latency.mean_s = "20 ms": must be a number'),
    ],
)
def test_an_error_in_a_file_names_file_key_value_and_rule(tmp_path, text, message):
    file = written(tmp_path, text)
    with pytest.raises(sl.SettingsError) as error:
        sl.load(file)
    assert str(error.value).startswith(f"{file}: {message}")


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path):
    assert 3 == sl.load(written(tmp_path, b"\xef\xbb\xbfclients = 3")).clients


@pytest.mark.parametrize("text", ["clients =", b"\xff\xfe", "a = 1\na = 2"])
def test_a_file_that_is_not_toml_is_refused(tmp_path, text):
    file = written(tmp_path, text)
    with pytest.raises(sl.SettingsError) as error:
        sl.load(file)
    assert str(error.value).startswith(f'scenario = "{file}": is not TOML')


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(sl.SettingsError) as error:
        sl.load(tmp_path / "none.toml")
    message = f'scenario = "{tmp_path / "none.toml"}": cannot be read: No such file or directory'
    assert message == str(error.value)
    with pytest.raises(sl.SettingsError, match="cannot be read"):
        sl.load(tmp_path)


# --- names of earlier versions -----------------------------------------------------------


def test_an_old_name_is_refused_with_the_new_one(tmp_path):
    file = tmp_path / "old.toml"
    file.write_text('[[herds]]\nname = "naive"\n')
    with pytest.raises(sl.SettingsError, match=r"herds = .*: is now called cohorts"):
        sl.load(file)
    with pytest.raises(sl.SettingsError, match=r"herds = .*: is now called cohorts"):
        sl.Scenario(herds=[])
    with pytest.raises(sl.SettingsError, match="is now called cohorts"):
        sl.Scenario().replace("herds", [])
    with pytest.raises(AttributeError, match=r"simlib\.Herd is now called simlib\.Cohort"):
        sl.Herd  # noqa: B018 - to look it up is the test


def test_work_on_tls_needs_tls():
    with pytest.raises(SettingsError) as error:
        sl.Scenario(server=sl.ServerSettings(tls_service_s=0.5))
    said = "server.tls_service_s = 0.5: needs TLS: set path.tls, or leave it 0"
    assert said == str(error.value)
    assert sl.Scenario(server=sl.ServerSettings(tls_service_s=0.5), path=sl.Path(tls="1.2"))
