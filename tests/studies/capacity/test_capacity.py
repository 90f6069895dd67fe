"""What is needed is what arithmetic says, and what lies beside it fails."""

import json
from math import ceil, inf

import numpy as np
import pytest

import simlib as sl
from simlib.core.errors import SettingsError
from simlib.metrics.fault_times import recovery_times_s
from simlib.studies.capacity.capacity import with_room

pytest.importorskip("numba")

OUTAGE = sl.Fault("outage", start_s=10, stop_s=20)
#: All wait half a second, and no time is lost on the way: they come at 0, 0.5, 1 ... s.
LOCKSTEP = sl.Backoff(jitter="none", base_s=0.5, cap_s=0.5)


def storm(**changes):
    settings = {
        "clients": 199, "duration_s": 40, "ramp_s": 8, "faults": [OUTAGE],
        "client": sl.Settings(backoff=LOCKSTEP, connect_timeout_s=30),
        "path": sl.Path(latency=sl.Latency(mean_s=0.0)), "workload": sl.Workload(rate_per_s=0),
    }  # fmt: skip
    return sl.Scenario(**(settings | changes))


def server(**settings):
    return sl.ServerSettings(**settings)


def knob(scenario, within_s, key, **more):
    [found] = sl.capacity(scenario, within_s, keys=[key], **more).knobs
    return found


def back_after_s(scenario, within_s):
    """The last client's time to recover, played by itself."""
    return recovery_times_s(sl.run(with_room(scenario, within_s), on="fleet"))[-1]


def let_in(accept_per_s, within_s):
    """How many a token bucket lets in: one second's worth at once, and the rest by and by."""
    return int(ceil(accept_per_s) + accept_per_s * within_s)


@pytest.mark.parametrize("given", [5.0, 20.0, 80.0, inf])
def test_the_least_accept_rate_is_the_one_that_lets_all_in(given):
    scenario = storm(server=server(accept_per_s=given))
    found = knob(scenario, 5, "server.accept_per_s")
    assert (198, 199) == (let_in(33.0, 5), let_in(33.1, 5))
    assert ("edge", 33.1, "at least 33.1/s", "") == (
        found.outcome, found.needed, found.answer, found.note,
    )  # fmt: skip
    assert back_after_s(scenario.replace("server.accept_per_s", 33.1), 5) <= 5
    assert back_after_s(scenario.replace("server.accept_per_s", 33.0), 5) > 5
    assert (5.0, 199.0) == (found.time_to_recover_s, found.peak_attempts_per_s / 2)


def test_whole_numbers_are_found_exactly():
    # 199 handshakes of 0.1 s take w workers 19.9 / w s: 6.7 s with three, 5 s with four.
    found = knob(storm(server=server(handshake_service_s=0.1)), 6, "server.workers")
    assert ("edge", 4.0, "at least 4") == (found.outcome, found.needed, found.answer)
    assert pytest.approx(5.0) == found.time_to_recover_s
    table = found.points.set_index("value")
    assert (False, True) == (table.loc[3, "suffices"], table.loc[4, "suffices"])


def test_half_of_the_clients_need_less():
    found = knob(storm(server=server(accept_per_s=20)), 5, "server.accept_per_s", share=0.5)
    assert let_in(16.5, 5) < 100 <= let_in(16.6, 5)
    assert 16.6 == found.needed


def test_of_clients_the_most_are_found():
    found = knob(storm(server=server(accept_per_s=33.1)), 5, "clients")
    assert (199.0, "at most 199") == (found.needed, found.answer)


def overshoot_s(cap_s):
    """From the end of an outage of 10 s to the first attempt, with waits of 0.5, 1, 2 ... s."""
    time_s, wait_s = 0.0, 0.5
    while time_s < 10.0:
        time_s, wait_s = time_s + wait_s, min(cap_s, 2.0 * wait_s)
    return time_s - 10.0


def test_a_cap_that_is_no_simple_matter_is_told_so():
    doubling = sl.Settings(backoff=sl.Backoff(jitter="none", base_s=0.5, cap_s=4))
    found = knob(storm(clients=20, client=doubling), 0.45, "client.backoff.cap_s")
    values, times_s = found.points["value"], found.points["time_to_recover_s"]
    assert [overshoot_s(x) for x in values] == pytest.approx(list(times_s), abs=1e-6)
    assert overshoot_s(found.needed) <= 0.45 < overshoot_s(found.needed + 0.01)
    assert "edge" == found.outcome
    # Between two caps that are quick enough there are some that are not: it depends on where the
    # attempts fall.
    assert found.note.startswith("not monotone: also fails at")
    assert found.exceptions
    assert all(x < found.needed and overshoot_s(x) > 0.45 for x in found.exceptions)


def test_no_cap_below_the_base_is_played():
    doubling = sl.Settings(backoff=sl.Backoff(jitter="none", base_s=0.7, cap_s=4))
    found = knob(storm(clients=20, client=doubling), 0.01, "client.backoff.cap_s")
    assert ("nowhere", None, 0.7) == (found.outcome, found.needed, found.points["value"].min())
    assert found.note.startswith("played from 0.7 s to 40 s: the best is ")


def test_less_may_be_more():
    # Whoever waits longer than a second has gone when the server gets to him: all its work is in
    # vain, unless a limit keeps most of them out.
    impatient = sl.Settings(backoff=LOCKSTEP, connect_timeout_s=1)
    slow = server(handshake_service_s=0.05, accept_per_s=200)
    flood = storm(client=impatient, server=slow, duration_s=60)
    found = knob(flood, 20, "server.accept_per_s")
    assert "edge" == found.outcome
    assert 9 < found.needed < 20
    assert 200.0 in found.exceptions
    assert "also fails at" in found.note


def test_what_makes_no_difference_is_not_searched_through():
    found = knob(storm(server=server(accept_per_s=20)), 5, "server.workers")
    assert ("no difference", None, "makes no difference") == (
        found.outcome, found.needed, found.answer,
    )  # fmt: skip
    assert [1, 199] == list(found.points["value"])


def test_no_server_helps_against_the_clients_own_waits():
    slow = sl.Settings(backoff=sl.Backoff(jitter="none", base_s=0.5, cap_s=4))
    found = sl.capacity(storm(client=slow, server=server(accept_per_s=300)), 1)
    assert pytest.approx(overshoot_s(4)) == found.unlimited.time_to_recover_s
    assert not found.suffices
    assert "So no server can be quick enough" in found.headline
    outcomes = {each.key: each.outcome for each in found.knobs}
    assert ("nowhere", "edge") == (
        outcomes["server.accept_per_s"], outcomes["client.backoff.cap_s"],
    )  # fmt: skip


def test_who_was_not_let_in_before_the_fault_is_not_brought_back():
    found = sl.capacity(storm(server=server(accept_per_s=2)), 5, keys=["server.accept_per_s"])
    assert found.given.thrown_out < 199
    assert inf == found.given.time_to_recover_s
    assert f"Only {found.given.thrown_out} of 199 clients had been let in" in found.headline


def test_the_engines_agree():
    scenario = storm(clients=12, server=server(accept_per_s=2))
    one, other = (knob(scenario, 5, "server.accept_per_s", on=on) for on in ("fleet", "sim"))
    assert one.points.equals(other.points)


def test_it_prints_as_text_as_html_and_as_json():
    told = []
    scenario = storm(server=server(accept_per_s=20))
    found = sl.capacity(scenario, 5, progress=lambda fraction, word: told.append((fraction, word)))
    for text in (str(found), found._repr_html_()):
        assert "No, as given they are back after 9 s." in text
        assert "at least 33.1/s" in text
        assert "gateways" in text
        assert "server.workers" in text
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert [2, 33.1, None, None] == [each["needed"] for each in document["knobs"]]
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert (0.0, "playing server.accept_per_s = 20") < told[0]
    assert fractions[-1] <= 1.0


def test_a_fault_in_the_warm_up_is_not_asked_about():
    early, late = sl.Fault("reset", start_s=9), sl.Fault("outage", start_s=12, stop_s=20)
    warm = storm(faults=[early, late], warm_up_s=10, server=server(accept_per_s=50))
    assert [22.0, [21.0, 24.0]] == [
        with_room(warm, 16).warm_up_s, [each.start_s for each in with_room(warm, 16).faults],
    ]  # fmt: skip
    assert sl.capacity(warm, 5, keys=["server.accept_per_s"]).given.thrown_out == 199


SLOW = sl.Fault("slow_server", start_s=10, stop_s=20, factor=2)
REFUSED = {
    "faults = 0: hold none that ends a connection": (storm(faults=[]), {}),
    "faults = 1: hold none that ends": (storm(faults=[SLOW]), {}),
    r"faults = 1: hold none that ends a connection from warm_up_s \(12\) on": (
        storm(warm_up_s=12), {},
    ),
    "faults = 1: throw nobody out": (
        storm(faults=[sl.Fault("reset", 9, clients_fraction=0)], duration_s=99), {},
    ),
    r"faults\.0\.stop_s = inf: must be before the end of the run": (
        storm(faults=[sl.Fault("outage", start_s=10)]), {},
    ),
    r"recover_within_s = 21\.0: is more than .* \(20 s\): set duration_s to 41 or more": (
        storm(), {"recover_within_s": 21},
    ),
    "recover_within_s = 0.0: must be": (storm(), {"recover_within_s": 0}),
    r"ramp_s = 11\.0: must be over by the first fault \(10 s\)": (storm(ramp_s=11), {}),
    "share = 1.5: must be": (storm(), {"share": 1.5}),
    'on = "live": must be fleet or sim': (storm(), {"on": "live"}),
    r'keys = "server.worker": is not a setting \(did you mean "workers"': (
        storm(), {"keys": ["server.worker"]},
    ),
    'keys = "client.backoff.jitter": must name a number': (
        storm(), {"keys": ["client.backoff.jitter"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_asked_is_refused(said):
    scenario, asked = REFUSED[said]
    with pytest.raises(SettingsError, match=said):
        sl.capacity(scenario, **({"recover_within_s": 5} | asked))


def test_clients_that_cannot_connect_are_the_reason_and_not_the_faults():
    deaf = sl.Scenario(
        clients=5,
        duration_s=30,
        faults=[sl.Fault("outage", start_s=8, stop_s=10)],
        workload=sl.Workload(rate_per_s=0),
        client=sl.Settings(connect_timeout_s=0.01),
    )
    with pytest.raises(sl.SettingsError, match=r"connect_timeout_s = 0\.01: may be too short"):
        sl.capacity(deaf, 5, keys=["server.workers"], on="sim")


def test_a_load_with_which_nobody_connects_does_not_suffice():
    fine = sl.Scenario(
        clients=5,
        duration_s=30,
        faults=[sl.Fault("outage", start_s=8, stop_s=10)],
        workload=sl.Workload(rate_per_s=0),
        client=sl.Settings(connect_timeout_s=1.0),
    )
    [knob] = sl.capacity(fine, 6, keys=["path.latency.mean_s"], on="sim").knobs
    assert knob.needed < 0.5
    late = knob.points[knob.points["value"] > 0.5]
    assert len(late)
    assert not late["suffices"].any()
    assert np.isinf(late["time_to_recover_s"]).all()
