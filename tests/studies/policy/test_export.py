"""Export: what is written for a client waits as was asked, or says what it lacks."""

import random
from dataclasses import replace
from itertools import islice
from math import inf

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import simlib as sl
from simlib.cli import main
from simlib.core.backoff import Backoff, delay, delay_after_loss_s
from simlib.core.backoff_kinds import Growth, Jitter, JitterPlace
from simlib.core.errors import SettingsError
from simlib.studies.policy.exponential import shape
from simlib.studies.policy.export import EXPORTERS, export
from simlib.studies.policy.python_waits import python_waits
from tests.batteries import examples

RECONNECTING = {name: each for name, each in sl.presets.items()
                if each.client.backoff.max_attempts > 0}  # fmt: skip


class Fixed:
    """Stands for the module random, with the same draw each time."""

    def __init__(self, u: float) -> None:
        self.u = u

    def random(self) -> float:
        return self.u


def generated(rules: Backoff, u: float, count: int) -> list[float]:
    """The waits of the generator that is written for a policy."""
    scope = {"random": Fixed(u)}
    exec(python_waits(rules), scope)
    return list(islice(scope["waits"](), count))


def expected(rules: Backoff, u: float, count: int) -> list[float]:
    found: list[float] = []
    for attempt in range(1, count + 1):
        found.append(delay(rules, attempt, found[-1] if found else 0.0, u))
    return found


@pytest.mark.parametrize("name", RECONNECTING)
def test_a_preset_s_waits_as_python_are_the_core_s(name):
    rules = sl.presets[name].client.backoff
    count = int(min(20, rules.max_attempts))
    for u in (0.0, 0.3, 0.9):
        # Jitter below the ceiling is written with the draw turned round.
        turned = 1.0 - u if rules.jitter == Jitter.BELOW else u
        assert expected(rules, u, count) == pytest.approx(generated(rules, turned, count))


POLICIES = st.builds(
    Backoff,
    jitter=st.sampled_from([each for each in Jitter if each != Jitter.BELOW]),
    base_s=st.floats(0.1, 5.0),
    cap_s=st.floats(5.0, 50.0),
    growth=st.sampled_from([Growth.EXPONENTIAL, Growth.LINEAR]),
    floor_s=st.just(0.0) | st.floats(0.0, 5.0),
    factor=st.floats(1.0, 3.0),
    rise_s=st.floats(0.0, 3.0),
    spread_fraction=st.floats(0.0, 1.0),
    add_least_s=st.floats(-1.0, 0.0),
    jitter_place=st.sampled_from(JitterPlace),
    compounding=st.booleans(),
    drawn_once=st.booleans(),
    first_s=st.just(inf) | st.floats(0.0, 5.0),
    first_jitter=st.sampled_from([Jitter.NONE, Jitter.FULL, Jitter.ADDITIVE]),
    steps_s=st.just(()) | st.lists(st.floats(0.0, 5.0), min_size=1, max_size=4),
)


@given(POLICIES, st.floats(0.0, 0.999), st.booleans(), st.just(None) | st.floats(0.0, 3.0))
@settings(max_examples=examples(60))
def test_any_policy_s_waits_as_python_are_the_core_s(rules, u, above, exponent):
    if rules.jitter != Jitter.DECORRELATED:
        rules = replace(rules, drawn_above_floor=above)
    if exponent is not None:
        rules = replace(rules, growth=Growth.POWER, exponent=exponent, compounding=False)
    assert expected(rules, u, 12) == pytest.approx(generated(rules, u, 12), abs=1e-9)


def test_a_policy_that_gives_up_raises_after_its_last_wait():
    scope = {"random": random}
    exec(python_waits(Backoff(jitter="none", max_attempts=2)), scope)
    waits = scope["waits"]()
    assert [1.0, 2.0] == [next(waits), next(waits)]
    with pytest.raises(ConnectionError, match="gave up after 2 attempts"):
        next(waits)


@pytest.mark.parametrize(
    ("preset", "to"),
    [
        ("reconnecting-websocket", "reconnecting-websocket"),
        ("partysocket", "partysocket"),
        ("partysocket", "reconnecting-websocket"),
        ("socket.io-client", "socket.io-client"),
        ("websockets-python", "websockets-python"),
        ("grpc-spec", "grpc"),
        ("phoenix", "websockets-python"),
    ],
)
def test_a_client_can_be_given_its_own_policy(preset, to):
    found = export(sl.presets[preset].client, to)
    assert found.exact, found.lacks


def test_the_options_of_clients_are_their_own_defaults():
    said = {
        "reconnecting-websocket": "minReconnectionDelay: 1000 + Math.random() * 4000,",
        "partysocket": "minReconnectionDelay: 3000,",
        "socket.io-client": "randomizationFactor: 0.5,",
    }
    for name, line in said.items():
        assert line in export(sl.presets[name].client, name).text
    assert [
        '("grpc.initial_reconnect_backoff_ms", 1000),',
        '("grpc.max_reconnect_backoff_ms", 120000),',
        '("grpc.min_reconnect_backoff_ms", 20000),',
    ] == [
        line.strip()
        for line in export(sl.presets["grpc-spec"].client, "grpc").text.splitlines()[1:-1]
    ]


def test_what_a_client_cannot_do_is_said_with_the_nearest_it_can():
    wanted = sl.Settings(backoff=sl.Backoff(base_s=1, cap_s=20, stable_after_s=5))
    found = export(wanted, "socket.io-client")
    assert (
        "waits: asked for 1 s x 2 to 20 s, full jitter; it does 0.5 s x 2 to 10 s, "
        "+-100 % before the cap"
    ) in found.lacks
    assert "its count resets when open for 0 s, not 5 s" in found.lacks
    assert (0.5, 10.0) == (found.gives.backoff.base_s, found.gives.backoff.cap_s)
    breaker = sl.Settings(breaker=sl.Breaker(trip_after=3))
    assert all("it has no breaker" in export(breaker, each).lacks for each in EXPORTERS)


def test_the_nearest_exponential_of_a_table_goes_through_its_ends():
    found = shape(sl.presets["phoenix"].client.backoff)
    assert (0.01, 5.0, 0.0) == (found.base_s, found.cap_s, found.spread_fraction)
    assert 500 == pytest.approx(found.factor**9)


@pytest.mark.few(13)
@pytest.mark.parametrize("to", ["websockets-python", "tenacity"])
@pytest.mark.parametrize("name", sl.presets)
def test_every_snippet_is_python(name, to):
    text = export(sl.presets[name].client, to).text
    if not text.startswith("async with"):
        compile(text, name, "exec")


HALF = "wait_{}exponential(multiplier=0.5, max=15, exp_base=2)"
WHOLE = "wait_exponential(multiplier=1, max=30, exp_base=2)"


@pytest.mark.parametrize(
    ("rules", "wait"),
    [
        (sl.Backoff(), "wait_random_exponential(multiplier=1, max=30, exp_base=2)"),
        (
            sl.Backoff(jitter="equal"),
            HALF.format("") + " + " + HALF.format("random_"),
        ),
        (
            sl.Backoff(jitter="additive", jitter_place="after_cap", max_attempts=4),
            f"{WHOLE} + wait_random(0, 1), stop=stop_after_attempt(4)",
        ),
        (sl.Backoff(jitter="decorrelated"), "lambda _: next(going)"),
    ],
)
def test_tenacity_has_strategies_of_its_own_for_some(rules, wait):
    text = export(sl.Settings(backoff=rules), "tenacity").text
    assert f"Retrying(wait={wait})(connect)" in text
    assert "after a loss it attempts after 0 s" in export(sl.Settings(), "tenacity").lacks


DIRECT = sl.Stops(ends_on=[410, "4404-4409"], suspends_on=[401, 4401])
GOES_ON = "it attempts again: close it in the application"


@pytest.mark.parametrize("to", sorted(EXPORTERS.keys() - {"websockets-python"}))
def test_codes_that_stop_nobody_there_are_said(to):
    lacks = export(sl.Settings(stops=DIRECT), to).lacks
    assert f"asked to end on 410, 4404-4409; {GOES_ON}" in lacks
    assert f"asked to rest until a sign-in on 401, 4401; {GOES_ON}" in lacks
    nothing = export(sl.Settings(stops=sl.Stops(suspends_on=[])), to).lacks
    assert not any("asked to end" in each or "asked to rest" in each for each in nothing)


def test_of_a_client_that_attempts_nothing_again_no_code_is_asked():
    never = sl.Settings(backoff=sl.Backoff(max_attempts=0), stops=DIRECT)
    assert not any("asked to end" in each for each in export(never, "socket.io-client").lacks)


def rejection(status):
    from websockets import InvalidStatus
    from websockets.datastructures import Headers
    from websockets.http11 import Response

    return InvalidStatus(Response(status, "", Headers()))


def test_websockets_is_given_the_statuses_that_stop_it():
    found = export(sl.Settings(stops=DIRECT), "websockets-python")
    assert not any("asked to" in each for each in found.lacks)
    scope: dict = {}
    exec(found.text, scope)
    refused = {status: rejection(status) for status in (401, 403, 410, 429, 503)}
    went_on = [status for status, error in refused.items() if scope["stopped_by"](error) is None]
    assert [403, 429, 503] == went_on
    assert None is scope["stopped_by"](ConnectionRefusedError())
    # Its own statuses need no words.
    own = export(sl.presets["websockets-python"].client, "websockets-python").text
    assert "stopped_by" not in own
    assert "CLOSE_CODES" not in own


@pytest.mark.parametrize(("code", "again"), [(4401, False), (4405, False), (4410, True)])
async def test_websockets_is_given_the_close_codes_that_stop_it(code, again):
    from websockets import ConnectionClosed, serve

    rules = sl.Backoff(jitter="none", base_s=0.001, cap_s=0.001, max_attempts=3)
    text = export(sl.Settings(backoff=rules, stops=DIRECT), "websockets-python").text
    scope: dict = {}
    exec(text.replace("...  # your application", "await websocket.recv()"), scope)
    opened = []

    async def close(websocket):
        opened.append(websocket)
        await websocket.close(code if len(opened) < 3 else 4401)

    async with serve(close, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionClosed):
            await scope["stay_connected"](f"ws://127.0.0.1:{port}/")
    assert (3 if again else 1) == len(opened)


async def test_websockets_waits_by_what_was_written_for_it(monkeypatch):
    """The installed websockets takes the generator, and gives up when that does."""
    import asyncio

    rules = sl.Backoff(jitter="none", base_s=0.001, cap_s=0.004, max_attempts=4)
    scope: dict = {}
    exec(export(sl.Settings(backoff=rules), "websockets-python").text, scope)
    waited: list[float] = []

    async def no_wait(delay_s, *_):
        waited.append(delay_s)

    monkeypatch.setattr("websockets.asyncio.client.asyncio.sleep", no_wait)
    with pytest.raises(ConnectionError, match="gave up after 4 attempts"):
        await asyncio.wait_for(scope["stay_connected"]("ws://127.0.0.1:1/"), 60)
    assert [0.001, 0.002, 0.004, 0.004] == waited


def test_an_unknown_client_names_the_nearest():
    with pytest.raises(SettingsError, match=r'must be one of .*did you mean "tenacity"'):
        export(sl.Settings(), "tenacit")


def test_an_unknown_client_is_named_by_the_argument_and_on_the_command_line_by_the_option():
    with pytest.raises(SettingsError, match=r'^to = "grp": must be one of .*did you mean "grpc"'):
        export(sl.Settings(), "grp")
    said = CliRunner().invoke(main, ["export", "preset:phoenix", "--for", "grp"]).stderr
    assert said.startswith('Error: --for = "grp": must be one of ')


# --- the wait after a loss, and the end by time -------------------------------------------


def test_the_wait_after_a_loss_is_written_with_its_jitter():
    rules = Backoff(jitter="none", after_loss_s=5, after_loss_jitter="proportional")
    written = export(sl.Settings(backoff=rules), "websockets-python")
    [line] = [each for each in written.text.splitlines() if "asyncio.sleep(5" in each]
    for u in (0.0, 0.3, 0.9):
        wait_s = eval(line.strip().removeprefix("await asyncio.sleep(")[:-1], {"random": Fixed(u)})
        assert delay_after_loss_s(rules, u) == pytest.approx(wait_s)
    assert "import random" in written.text
    assert not any("after a loss" in each for each in written.lacks)


@pytest.mark.parametrize("to", EXPORTERS)
def test_only_who_can_give_up_by_time_is_said_to(to):
    written = export(sl.Settings(backoff=Backoff(give_up_after_s=90)), to)
    lacks = [each for each in written.lacks if "give up 90 s after a loss" in each]
    said = {"tenacity": "stop_before_delay(90)", "stamina": "timeout=90"}
    assert (to in said) == (lacks == [])
    assert said.get(to, "") in written.text


def test_tenacity_stops_by_count_or_by_time_whichever_is_first():
    written = export(sl.Settings(backoff=Backoff(max_attempts=7, give_up_after_s=90)), "tenacity")
    assert "stop=stop_after_attempt(7) | stop_before_delay(90)" in written.text
    compile(written.text, "snippet", "exec")


@pytest.mark.parametrize("to", sorted({*EXPORTERS} - {"websockets-python"}))
def test_a_spread_that_a_client_lacks_after_a_loss_is_said(to):
    rules = Backoff(after_loss_s=0, after_loss_jitter="additive")
    lacks = export(sl.Settings(backoff=rules), to).lacks
    assert any("after a loss" in each for each in lacks)
