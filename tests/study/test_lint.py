"""Lint: each rule finds what it looks for, with the right number, and nothing beside it."""

from math import inf

import pytest

import simlib as sl
from simlib.study.lint import RULES, SEVERITIES, lint, peak_fraction, worst

#: A policy that no rule has anything to say about.
SOUND = sl.Settings(
    backoff=sl.Backoff(base_s=1, cap_s=20, stable_after_s=5),
    heartbeat=sl.HeartbeatRules(interval_s=25),
)


def scenario(**changes) -> sl.Scenario:
    return sl.Scenario(clients=500, client=SOUND, workload=sl.Workload(rate_per_s=0)).replace(
        **changes
    )


def backoff(**settings) -> sl.Scenario:
    """The sound policy with another backoff."""
    return scenario().replace("client.backoff", sl.Backoff(**{"stable_after_s": 5} | settings))


def polling(**settings) -> sl.Scenario:
    found = scenario(server=sl.ServerSettings(message_service_s=0.01))
    return found.replace("client.fallback", sl.Fallback(after_attempts=3, **settings))


BREAKER = backoff(cap_s=5).replace("client.breaker", sl.Breaker(trip_after=3, open_s=30))
#: Of each rule: what it finds something in, the severity, the number; and what it leaves alone.
CASES = {
    "no-jitter": (backoff(jitter="none"), "error", 500, backoff(jitter="equal")),
    "jitter-first-only": (
        backoff(jitter="none", first_s=5, first_jitter="full"), "warning", 5,
        backoff(jitter="none"),
    ),
    # 1 + 2 + 4 s, and then 5 s: of a ceiling of 8 s even the lower half of the waits is.
    "jitter-dies-at-cap": (
        backoff(jitter="proportional", jitter_place="before_cap", cap_s=4, spread_fraction=0.2),
        "warning", 7, backoff(jitter="proportional", jitter_place="after_cap", cap_s=4),
    ),
    # The middle half of 0.2 s, of 2.1 s.
    "jitter-narrow": (
        backoff(jitter="additive", jitter_place="after_cap", add_most_s=0.2, cap_s=2),
        "warning", 0.1 / 2.1, backoff(jitter="additive", jitter_place="after_cap", cap_s=2),
    ),
    "jitter-drawn-once": (
        backoff(jitter="equal", base_s=8, drawn_once=True), "warning", 4,
        backoff(jitter="none", drawn_once=True),
    ),
    "first-wait-together": (
        backoff(first_s=1), "warning", 500, backoff(first_s=1, first_jitter="full"),
    ),
    "flapping": (
        backoff(base_s=0.2, jitter="equal", stable_after_s=0), "error", 1 / 0.25,
        backoff(jitter="none", factor=1, stable_after_s=0),
    ),
    "no-wait": (
        backoff(jitter="none", steps_s=[0]), "error", 10, backoff(jitter="none", steps_s=[0, 0.1])
    ),
    # The loss is an attempt of its own: five waits, 1 + 2 + 4 + 8 + 16 s.
    "gives-up": (backoff(max_attempts=5), "error", 31, backoff(max_attempts=6)),
    "breaker-slows": (
        BREAKER, "warning", None, BREAKER.replace("client.breaker.open_s", 3),
    ),
    "heartbeat-slow": (
        scenario().replace("client.heartbeat.interval_s", 60), "warning", 60,
        scenario().replace("client.heartbeat.interval_s", 54),
    ),
    "no-heartbeat": (
        scenario().replace("client.heartbeat.interval_s", inf), "info", inf, scenario(),
    ),
    # 100 slots at 4 messages/s; an outage of a minute where the scenario has none.
    "outbox-small": (
        scenario().replace("workload.rate_per_s", 4), "warning", 25,
        scenario(faults=[sl.Fault("outage", 5, 25)]).replace("workload.rate_per_s", 4),
    ),
    "outbox-unbounded": (
        scenario().replace("client.outbox.capacity", inf), "info", inf, scenario(),
    ),
    "resend-unbounded": (
        scenario().replace("client.outbox.max_resends", inf), "warning", inf, scenario(),
    ),
    # 500 clients every 2 s, of a server that takes 0.01 s for each.
    "polling-overload": (
        polling(poll_interval_s=2), "warning", 250, polling(poll_interval_s=5),
    ),
    "storm-peak": (
        backoff(jitter="none", base_s=2, cap_s=2).replace("server.accept_per_s", 100),
        "warning", 500, scenario(server=sl.ServerSettings(accept_per_s=100)),
    ),
}  # fmt: skip


def test_every_rule_is_tried():
    assert list(RULES) == list(CASES)


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_finds_what_it_looks_for_and_lets_pass_what_is_beside_it(rule):
    bad, severity, number, good = CASES[rule]
    [found] = [each for each in lint(bad) if each.rule == rule]
    assert rule not in {each.rule for each in lint(good)}
    assert number is None or number == pytest.approx(found.number)
    if rule != "flapping":
        assert severity == found.severity
    assert "client" == found.where
    assert found.sentence.endswith(".")
    assert found.remedy


def test_what_is_added_inside_the_cap_is_told_to_come_after_it():
    added = backoff(jitter="additive", cap_s=4)
    [found] = [each for each in lint(added) if each.rule == "jitter-dies-at-cap"]
    assert found.remedy.endswith("jitter_place = after_cap")
    after = added.replace("client.backoff.jitter_place", "after_cap")
    assert "jitter-dies-at-cap" not in {each.rule for each in lint(after)}


def test_nothing_is_found_in_a_sound_policy():
    assert [] == lint(scenario())
    assert "clean" == worst([])


def test_flapping_is_worse_the_sooner_they_come():
    slow = backoff(jitter="none", base_s=1, stable_after_s=0)
    quick = backoff(jitter="none", base_s=0.05, stable_after_s=0)
    found = [next(f for f in lint(each) if f.rule == "flapping") for each in (slow, quick)]
    assert [("warning", 1 / 1.1), ("error", 1 / 0.15)] == [
        (each.severity, pytest.approx(each.number)) for each in found
    ]
    # A budget holds them back, and a real client that waits for an answer does not flap.
    held = quick.replace("client.connect_budget", sl.Rate(per_s=0.2))
    assert "flapping" not in {each.rule for each in lint(held)}
    assert "flapping" not in {each.rule for each in lint(quick, resets="answer")}


def test_the_breaker_s_number_is_what_it_adds_to_the_time_to_recover():
    [found] = lint(BREAKER)
    # Open for 30 s, it ends at a moment that has nothing to do with the outage's end.
    assert 5 < found.number < 20
    assert "open_s of at most 5" in found.remedy


def test_each_herd_is_checked_with_its_own_number_of_clients():
    herd = sl.Herd(name="old", clients_fraction=0.2, client=sl.presets["partysocket"].client)
    found = {(each.where, each.rule): each.number for each in lint(scenario(herds=[herd]))}
    assert 100 == found["herds.0.client", "no-jitter"]
    assert all(where == "herds.0.client" for where, _ in found)


def test_a_preset_is_known_again_where_a_scenario_uses_it():
    rules = {each.rule for each in lint(scenario(client=sl.presets["y-websocket"].client))}
    assert {each.rule for each in lint(sl.presets["y-websocket"])} == rules == {
        "no-jitter", "no-heartbeat",
    }  # fmt: skip


def test_what_resets_the_count_is_a_known_word():
    with pytest.raises(sl.SettingsError, match=r'resets = "opn": .*did you mean "open"'):
        sl.lint(sl.Scenario(), resets="opn")


def test_the_worst_come_first():
    found = [SEVERITIES.index(each.severity) for each in lint(sl.presets["phoenix"])]
    assert sorted(found) == found
    assert "error" == worst(lint(sl.presets["phoenix"]))


def test_the_peak_of_a_storm_without_jitter_is_everybody_and_with_it_a_share():
    assert 1.0 == peak_fraction(sl.Backoff(jitter="none", base_s=3, cap_s=3))
    assert 0.1 < peak_fraction(sl.Backoff(base_s=20, cap_s=20)) < 0.25
    assert 0.0 == peak_fraction(sl.Backoff(max_attempts=0))
