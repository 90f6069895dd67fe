"""The presets wait as their clients' own formulas say, and scenarios take them by name."""

import tomllib
from dataclasses import replace
from math import inf

import pytest

import simlib as sl
from simlib.core.backoff import delay
from simlib.core.errors import SettingsError
from simlib.core.stops import codes_in
from simlib.scenario.build import build
from simlib.scenario.networks import resolve
from simlib.scenario.presets import RESETS, with_presets


def steps(*waits_s):
    return lambda n, u, p: waits_s[min(n, len(waits_s) - 1)]


#: The wait after n failures, from 0: of a draw u and of the wait before. Of a client that
#: redials at once after a loss, n counts the failures after that.
FORMULAS = {
    "reconnecting-websocket": lambda n, u, p: min(10, (1 + 4 * u) * 1.3**n),
    "partysocket": lambda n, u, p: min(10, 3 * 1.3**n),
    "websocket-ts": steps(1),
    "sockette": steps(1),
    "rpc-websockets": steps(1),
    "socket.io-client": lambda n, u, p: min(5, 2**n * (0.5 + u)),
    "phoenix": steps(0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1, 2, 5),
    "absinthe-socket": steps(0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1, 2, 5),
    "supabase-realtime": steps(1, 2, 5, 10),
    "graphql-ws": lambda n, u, p: 2**n + 0.3 + 2.7 * u,
    "subscriptions-transport-ws": lambda n, u, p: min(10, 0.1 * 2**n * (0.5 + u)),
    "y-websocket": lambda n, u, p: min(2.5, 0.1 * 2 ** (n + 1)),
    "ably": lambda n, u, p: 15 * min((n + 3) / 3, 2) * (1 - 0.2 * (1 - u)),
    "home-assistant": lambda n, u, p: min(n, 5),
    "signalr": steps(0, 2, 10, 30),
    "trpc": lambda n, u, p: 0 if n == 0 else min(30, 2**n),
    "azure-web-pubsub": lambda n, u, p: 0 if n == 0 else 1,
    "liveblocks": steps(0.25, 0.5, 1, 2, 4, 8, 10),
    "paho-mqtt": lambda n, u, p: min(120, 2**n),
    "nats-core": lambda n, u, p: 2 + 0.1 * u,
    "nats-py": steps(2),
    "node-redis": lambda n, u, p: min(0.05 * 2**n, 2) + 0.2 * u,
    "ioredis": lambda n, u, p: min(0.05 * 2**n, 5) + 0.2 * u,
    "redis-py": lambda n, u, p: min(1, u * 0.01 * 2 ** (n + 1)),
    "kafkajs": lambda n, u, p: (
        0.3 * (0.8 + 0.4 * u) if n == 0 else min(2 * p * (0.8 + 0.4 * u), 30)
    ),
    "kafka-java": lambda n, u, p: min(1, min(0.05 * 2**n, 1) * (0.8 + 0.4 * u)),
    "kafka-python": lambda n, u, p: min(30, 0.05 * 2**n) * (0.8 + 0.4 * u),
    "grpc-spec": lambda n, u, p: 1 if n == 0 else min(120, 1.6**n) * (0.8 + 0.4 * u),
    "grpc-js": lambda n, u, p: 1 if n == 0 else min(1.6 * p, 120) * (0.8 + 0.4 * u),
    "aws-full": lambda n, u, p: u * min(20, 2**n),
    "aws-equal": lambda n, u, p: min(20, 2**n) / 2 * (1 + u),
    "aws-decorrelated": lambda n, u, p: min(20, 1 + u * (3 * (1 if n == 0 else p) - 1)),
    "botocore": lambda n, u, p: u * min(0.05 * 2**n, 20),
    "google-api-core": lambda n, u, p: u * min(60, 2**n),
    "apollo-retry": lambda n, u, p: u * 0.3 * 2 ** (n + 1),
    "websockets-python": lambda n, u, p: 5 * u if n == 0 else min(90, 3.1 * 1.618 ** (n - 1)),
    "python-socketio": lambda n, u, p: min(5, 2**n) + 0.5 * (2 * u - 1),
    "discord.py": lambda n, u, p: u * 2 ** min(n + 1, 10),
    "discordjs-ws": steps(0.5),
    "slack-node": steps(5),
    "slack-python": steps(5),
    "matrix-js-sdk": lambda n, u, p: 2 + 5 * u if n == 0 else 5 + 5 * u,
    "tenacity": steps(0),
    "stamina": lambda n, u, p: min(5, 0.1 * 2**n + u),
    "backoff-expo": lambda n, u, p: u * 2**n,
    "client-go": lambda n, u, p: min(30, 0.8 * 2**n) * (1 + u),
    "envoy": lambda n, u, p: u * min(0.25, 0.025 * 2**n),
    "istio": lambda n, u, p: u * min(0.25, 0.025 * 2**n),
    "finagle": lambda n, u, p: min(32, 2**n) * (1 + 0.1 * u),
    "aws-sdk-js": lambda n, u, p: u * min(20, 0.1 * 2**n),
}
#: Attempts in a row after which a client gives up, where it does.
LIMITS = {
    "rpc-websockets": 4, "engine.io-client": 0, "graphql-ws": 5, "signalr": 4, "nats-core": 10,
    "nats-py": 62, "redis-py": 10, "kafkajs": 5, "botocore": 2, "apollo-retry": 4, "stamina": 9,
    "okhttp": 0, "envoy": 1, "istio": 2, "aws-sdk-js": 2,
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_a_preset_waits_as_its_client_s_formula_says(name):
    rules = sl.presets[name].client.backoff
    for draws in ([0.0] * 15, [0.3, 0.9, 0.5] * 5, [1.0] * 15):
        previous_s = 0.0
        for n, u in enumerate(draws):
            wait_s = delay(rules, n + 1, previous_s, u)
            assert FORMULAS[name](n, u, previous_s) == pytest.approx(wait_s), (n, u)
            previous_s = wait_s


def test_every_preset_is_a_client_with_a_source_and_what_it_leaves_out():
    never = {name for name in sl.presets if sl.presets[name].client.backoff.max_attempts == 0}
    assert FORMULAS.keys() | never == set(sl.presets)
    for preset in sl.presets.values():
        assert preset.source
        assert preset.resets in RESETS
        assert (preset.resets == "time") == (preset.client.backoff.stable_after_s > 0.0)
        assert preset.differs.endswith(".")
        limit = preset.client.backoff.max_attempts
        assert LIMITS.get(preset.name, inf) == limit
    assert 52 == len(sl.presets)


#: What ends a client for good, where a source or a run says so; every other goes on after any code.
ENDED_BY = {
    "sockette": {1000, 1001, 1005},
    "rpc-websockets": {1000},
    "y-websocket": set(range(4400, 4500)),
    "graphql-ws": {
        *range(400, 600), *set(range(1000, 2000)) - {1000, 1001, 1005, 1006, 1012, 1013, 1014},
        4004, 4005, 4400, 4401, 4406, 4409, 4429, 4500,
    },
    "liveblocks": {*range(4000, 4100), 4999},
    "discord.py": {4004, *range(4010, 4015)},
    "discordjs-ws": {4004, *range(4010, 4015)},
    "websockets-python": set(range(400, 600)) - {500, 502, 503, 504},
    "botocore": set(range(400, 600)) - {500, 502, 503, 504},
    "google-api-core": set(range(400, 600)) - {429, 500, 503},
    "istio": set(range(400, 600)) - {503},
    "aws-sdk-js": set(range(400, 600)) - {429, 500, 502, 503, 504},
}  # fmt: skip


def test_a_preset_is_stopped_by_the_codes_that_stop_its_client():
    ended = {name: set(codes_in(each.client.stops.ends_on)) for name, each in sl.presets.items()}
    assert ENDED_BY == {name: codes for name, codes in ended.items() if codes}
    # A session's codes are simlib's own client's; of these, one knows a token that is over.
    suspended = {name: each.client.stops.suspends_on for name, each in sl.presets.items()}
    assert {"matrix-js-sdk": (401,)} == {name: codes for name, codes in suspended.items() if codes}


def test_a_preset_says_how_it_is_known_what_stops_it():
    assert {"run", "read", "unknown", "none"} == {each.codes for each in sl.presets.values()}
    unknown = [name for name, each in sl.presets.items() if each.codes == "unknown"]
    assert ["ably", "slack-node", "slack-python"] == unknown
    for name in unknown:
        assert "Which codes stop it is not known: here none does." in sl.presets[name].differs
        assert "by no code (unknown, so assumed)" == sl.presets[name].stops
    assert "ended by 4400-4499 (seen as it ran)" == sl.presets["y-websocket"].stops


@pytest.mark.parametrize(
    ("name", "code", "state"),
    [
        ("sockette", 1001, "stopped"), ("sockette", 1012, "open"), ("phoenix", 4401, "open"),
        ("graphql-ws", 1011, "stopped"), ("graphql-ws", 1012, "open"),
        ("y-websocket", 4404, "stopped"),
    ],
)  # fmt: skip
def test_a_close_does_to_a_preset_what_it_does_to_its_client(name, code, state):
    closing = sl.Scenario(
        clients=1,
        duration_s=30,
        client=sl.presets[name].client,
        workload=sl.Workload(rate_per_s=0),
        faults=[sl.Fault("close", 5, code=code)],
    )
    assert (
        state == sl.run(closing).frame().query("client == 0 and kind == 'event'")["state"].iloc[-1]
    )


def test_only_a_jitter_drawn_once_is_the_same_for_life():
    once = [name for name, each in sl.presets.items() if each.client.backoff.drawn_once]
    assert ["reconnecting-websocket"] == once


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("socket.io-client", "1 s x 2 to 5 s, +-50 % before the cap"),
        (
            "websockets-python",
            "0 s after a loss, first 0 to 5 s, 1.92 s x 1.618 to 90 s, no jitter",
        ),
        ("ably", "0 s after a loss, 15 s + 5 s to 30 s, up to 20 % less"),
        ("signalr", "0, 2, 10, 30 s, no jitter, 4 attempts"),
        ("tenacity", "0 s always, no jitter"),
        ("okhttp", "never reconnects"),
        ("aws-decorrelated", "1 s to 20 s, decorrelated jitter"),
        ("graphql-ws", "1 s x 2, +0.3 to +3 s, 5 attempts"),
    ],
)
def test_a_policy_in_words(name, words):
    assert words == sl.presets[name].client.backoff.in_words


def test_what_is_added_has_three_digits_as_all_numbers_have():
    tuned = sl.Backoff(jitter="additive", base_s=2.5592, factor=1, add_most_s=12.567948)
    assert "2.56 s always, +0 to +12.6 s" == tuned.in_words


# --- in scenarios ------------------------------------------------------------------------

A_FILE = "a file that ends in .toml"
LISTED = "simlib presets lists them"


def made(text: str) -> sl.Scenario:
    return build(sl.Scenario, with_presets(tomllib.loads(text)))


def test_a_scenario_takes_a_preset_for_its_clients_and_for_a_cohort(tmp_path):
    file = tmp_path / "mixed.toml"
    file.write_text(
        'client = "preset:trpc"\n[[cohorts]]\nclients_fraction = 0.5\nclient = "preset:phoenix"\n'
    )
    scenario = sl.load(file)
    assert sl.presets["trpc"].client == scenario.client
    assert sl.presets["phoenix"].client == scenario.cohorts[0].client
    assert scenario == build(sl.Scenario, resolve(tomllib.loads(sl.dump(scenario)), tmp_path))


def test_what_a_client_says_itself_goes_before_its_preset():
    client = made('[client]\npreset = "phoenix"\n[client.backoff]\njitter = "full"').client
    phoenix = sl.presets["phoenix"].client
    assert client == replace(phoenix, backoff=replace(phoenix.backoff, jitter="full"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'client = "preset:phonix"',
            'client = "preset:phonix": is no preset (did you mean "phoenix"?); ' + LISTED,
        ),
        (
            '[[cohorts]]\nclient = "preset:zzz"',
            'cohorts[0].client = "preset:zzz": is no preset; ' + LISTED,
        ),
        (
            'client = "phoenix"',
            'client = "phoenix": must be a table of settings, preset:NAME, or ' + A_FILE,
        ),
        (
            "[client]\npreset = 3",
            "client.preset = 3: is no preset; " + LISTED,
        ),
    ],
)  # fmt: skip
def test_an_unknown_preset_is_named_with_the_nearest(text, message):
    with pytest.raises(SettingsError) as error:
        made(text)
    assert message == str(error.value)


def test_presets_are_a_mapping_that_names_the_nearest():
    assert "phoenix" in sl.presets
    assert "phonix" not in sl.presets
    assert sl.presets.get("phonix") is None
    with pytest.raises(SettingsError, match=r'did you mean "phoenix"'):
        sl.presets["phonix"]


def test_presets_are_shown_as_tables():
    assert "phoenix                     0.01, 0.05, 0.1 ... 5 s, no jitter" in repr(sl.presets)
    assert ">sockette</th>" in sl.presets._repr_html_()
    shown = sl.presets["nats-py"]
    assert "source   nats-py 2.16.0" in repr(shown)
    assert "It goes round a pool" in shown._repr_html_()
