"""Lint: each rule finds what it looks for, with the right number, and nothing beside it."""

from math import inf

import pytest

import simlib as sl
from simlib.studies.policy.lint import RULES, SEVERITIES, lint, peak_fraction, worst
from simlib.support.files import find_shipped

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


def stops(**codes) -> sl.Scenario:
    """The sound policy that other codes stop."""
    return scenario().replace("client.stops", sl.Stops(**codes))


def polling(**settings) -> sl.Scenario:
    found = scenario(server=sl.ServerSettings(message_service_s=0.01))
    return found.replace("client.fallback", sl.Fallback(after_attempts=3, **settings))


def breaking(**settings) -> sl.Scenario:
    """A policy without jitter, and with this breaker: waits of 1, 2, 4, 8, 16 and 20 s."""
    return backoff(jitter="none", cap_s=20).replace(
        "client.breaker", sl.Breaker(**{"open_s": 1} | settings)
    )


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
    "gives-up": (backoff(max_attempts=5), "error", 31, backoff(max_attempts=20)),
    "gives-up-silently": (
        backoff(max_attempts=5).replace("workload.rate_per_s", 1), "warning", 60,
        backoff(max_attempts=5).replace(
            {"workload.rate_per_s": 1, "client.fallback": sl.Fallback(after_attempts=3)}),
    ),
    "breaker-slows": (
        BREAKER, "warning", None, BREAKER.replace("client.breaker.open_s", 3),
    ),
    # The success before must leave the window, so all of its 20 attempts must fail.
    "breaker-never-trips": (
        breaking(failure_fraction=1.0, window=20), "warning", 20,
        breaking(failure_fraction=1.0, window=5),
    ),
    "breaker-trips-together": (
        breaking(trip_after=3), "warning", 500, breaking(trip_after=3, open_spread_fraction=0.5),
    ),
    "ends-on-transient": (
        stops(ends_on=[503, "1012-1014", 1008]), "error", 4, stops(ends_on=[410, 1008]),
    ),
    # At a wait of 20 s, half of it, and 0.1 s.
    "stops-on-401-never": (stops(suspends_on=[403]), "info", 1 / 10.1, stops(suspends_on=[401])),
    "stopped-by-fault": (
        stops(ends_on=[1012]).replace(faults=[sl.Fault("deploy", 5, 9, clients_fraction=0.5)]),
        "error", 250,
        stops(ends_on=[1013]).replace(faults=[sl.Fault("deploy", 5, 9)]),
    ),
    "hint-uncapped": (
        scenario(server=sl.ServerSettings(retry_after_s=7)), "info", 7,
        scenario(server=sl.ServerSettings(retry_after_s=7)).replace(
            "client.backoff.hint_cap_s", 60),
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
    # Of 50 behind one address ten are let in at once, and the others one every two seconds.
    "crowded-address": (
        scenario(server=sl.ServerSettings(
            per_address=sl.AddressLimit(accept_per_s=0.5, burst=10, clients=50))),
        "warning", 80,
        scenario(server=sl.ServerSettings(
            per_address=sl.AddressLimit(accept_per_s=0.5, burst=50, clients=50))),
    ),
    "ages-together": (
        scenario(server=sl.ServerSettings(
            max_connection_age_s=300, max_connection_age_jitter_fraction=0)),
        "warning", 500, scenario(server=sl.ServerSettings(max_connection_age_s=300)),
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


# --- the scenario's own outages ----------------------------------------------------------


def found_in(target, rule):
    """The one finding of a rule, or None."""
    return next((each for each in lint(target) if each.rule == rule), None)


TEN = backoff(max_attempts=10).replace(duration_s=400)  # at most 181 s: 1 + 2 + 4 + 8 + 16 + 5 x 30


@pytest.mark.parametrize(
    ("faults", "lasts_s"),
    [
        ([sl.Fault("outage", 50, 350)], 300),
        ([sl.Fault("outage", 10, 40), sl.Fault("outage", 50, 350)], 300),
        # One after the other, and one over the other.
        ([sl.Fault("outage", 50, 200), sl.Fault("server_crash", 200, 350)], 300),
        ([sl.Fault("server_crash", 50, 250), sl.Fault("outage", 100, 350)], 300),
        ([sl.Fault("reject", 50, 350, status=503)], 300),
        ([sl.Fault("close", 50, 350, code=1012)], 300),
        ([sl.Fault("outage", 50)], 350),
        ([sl.Fault("flap", 50, 350, period_s=10, down_fraction=1)], 300),
    ],
)
def test_giving_up_is_judged_by_the_longest_outage_of_the_scenario(faults, lasts_s):
    found = found_in(TEN.replace(faults=faults), "gives-up")
    assert ("error", 181.0) == (found.severity, found.number)
    assert "181 s into an outage at the latest, after 10 attempts that are" in found.sentence
    assert found.sentence.endswith(f"its own outage lasts {lasts_s} s.")


@pytest.mark.parametrize(
    "faults",
    [
        [sl.Fault("outage", 50, 80)],
        [sl.Fault("flap", 50, 350, period_s=10)],
        [sl.Fault("outage", 10, 40), sl.Fault("outage", 360, 390)],
        [sl.Fault("black_hole", 50, 130)],
    ],
)
def test_who_outlasts_the_scenario_s_own_outages_does_not_give_up(faults):
    assert None is found_in(TEN.replace(faults=faults), "gives-up")


def test_without_an_outage_of_its_own_the_default_is_named():
    elsewhere = [sl.Fault("outage", 50, 350, route="http"), sl.Fault("reset", 20)]
    five = backoff(max_attempts=5).replace(duration_s=400, faults=elsewhere)
    assert found_in(five, "gives-up").sentence.endswith("; outages of 60 s are common.")


def test_an_attempt_that_gets_no_answer_takes_its_time_before_it_counts():
    silent = TEN.replace(faults=[sl.Fault("black_hole", 50, 390)])
    # Ten attempts that time out after 10 s each.
    found = found_in(silent, "gives-up")
    assert 281 == found.number
    assert "after 10 attempts that time out after 10 s" in found.sentence


@pytest.mark.few(2)
@pytest.mark.parametrize(("attempts", "lasts_s"), [(10, 300), (10, 110), (8, 60), (12, 130)])
def test_as_many_give_up_in_a_run_as_lint_says(attempts, lasts_s):
    storm = backoff(max_attempts=attempts).replace(
        clients=400, duration_s=lasts_s + 20, faults=[sl.Fault("outage", 10, 10 + lasts_s)]
    )
    gave_up = sl.summary(sl.run(storm))["gave_up"].iloc[0] / 400
    words = found_in(storm, "gives-up").sentence
    said = 1.0 if "at the latest" in words else int(words.partition("%")[0]) / 100
    assert gave_up == pytest.approx(said, abs=0.08)


def test_a_storm_is_the_one_after_the_scenario_s_own_outage():
    lockstep = backoff(jitter="none", base_s=50, cap_s=50).replace("server.accept_per_s", 100)
    # After half a minute all are still in their first wait, and come 50 s after the loss.
    for faults, words in (
        ([], "After an outage of 30 s, 500 clients make up to 500 attempts in a second"),
        ([sl.Fault("outage", 5, 50)], "After its own outage of 45 s, 500 clients make up to 500"),
        ([sl.Fault("outage", 5, 7)], "After its own outage of 2 s, 500 clients make up to 500"),
    ):
        assert found_in(lockstep.replace(faults=faults), "storm-peak").sentence.startswith(words)


def test_the_longer_the_outage_the_flatter_the_storm_of_waits_that_grow():
    growing = sl.Backoff(base_s=1, cap_s=300)
    assert peak_fraction(growing, 10) > 3 * peak_fraction(growing, 400)


def test_an_outage_of_a_day_takes_no_longer_to_judge():
    long = backoff(jitter="none", steps_s=[0.5]).replace(
        duration_s=90_000, faults=[sl.Fault("outage", 5, 86_405)]
    )
    # Each comes every 0.6 s: twice in some seconds.
    assert 1000 == found_in(long.replace("server.accept_per_s", 100), "storm-peak").number


def test_a_breaker_is_played_in_outages_like_the_scenario_s_own():
    found = found_in(BREAKER.replace(faults=[sl.Fault("outage", 5, 53)]), "breaker-slows")
    assert "after outages of 32 to 72 s, 95 % are back in" in found.sentence
    assert "after outages of 20 to 45 s" in found_in(BREAKER, "breaker-slows").sentence


def test_an_outbox_is_judged_by_the_scenario_s_own_outage():
    sending = scenario(faults=[sl.Fault("reject", 5, 55)]).replace("workload.rate_per_s", 4)
    assert "its own outage of 50 s brings 200" in found_in(sending, "outbox-small").sentence


# --- breakers ----------------------------------------------------------------------------


@pytest.mark.few(5)
@pytest.mark.parametrize(
    "settings",
    [
        {"trip_after": 5},
        {"trip_after": 30},
        {"failure_fraction": 0.5},
        {"failure_fraction": 0.9, "window": 4, "least": 4},
        {"failure_fraction": 1.0, "window": 20},
        {"failure_fraction": 1.0, "window": 5},
        {"failure_fraction": 0.5, "least": 30},
        {"failure_fraction": 1.5, "window": 5},
        {"failure_fraction": 1.5, "trip_after": 4},
        {"trip_after": 4, "window": 60},
    ],
)
@pytest.mark.parametrize("outage", [sl.Fault("outage", 10, 70), sl.Fault("black_hole", 10, 100)])
def test_a_breaker_never_trips_where_it_does_not_in_a_run(settings, outage):
    played = backoff(base_s=1, cap_s=10).replace(
        {
            "clients": 40,
            "duration_s": 120,
            "faults": [outage],
            "client.breaker": sl.Breaker(open_s=100, **settings),
            "client.connect_timeout_s": 5,
        }
    )
    frame = sl.run(played).frame()
    tripped = frame.loc[frame["breaker"] == "open", "client"].nunique()
    assert (tripped < 20) == (found_in(played, "breaker-never-trips") is not None)


def test_a_client_that_gives_up_before_its_breaker_trips_never_needed_one():
    found = found_in(breaking(trip_after=9).replace("client.backoff.max_attempts", 5),
                     "breaker-never-trips")  # fmt: skip
    assert "it takes 9 failures, and the client gives up after 5" in found.sentence


def test_breakers_that_jitter_has_spread_do_not_trip_together():
    spread = backoff(jitter="full", base_s=4, cap_s=60)
    breaker = sl.Breaker(trip_after=3, open_s=5)
    assert None is found_in(spread.replace("client.breaker", breaker), "breaker-trips-together")
    together = found_in(breaking(trip_after=3), "breaker-trips-together")
    assert "500 of 500 clients trip within a second" in together.sentence


def test_the_new_rules_find_in_what_is_shipped_only_what_is_there():
    new = ("breaker-never-trips", "breaker-trips-together", "hint-uncapped", "gives-up-silently")
    others = [rule for rule in RULES if rule not in new]
    shipped = {
        file.stem: sl.load(file) for file in sorted(find_shipped("scenarios").glob("*.toml"))
    }
    found = {
        (name, each.rule, each.severity)
        for name, target in (shipped | dict(sl.presets)).items()
        for each in lint(target, ignore=others)
    }
    # Two servers that say a hint, and two real clients that obey any; one more bounds it.
    assert {
        (name, "hint-uncapped", "info")
        for name in ("advised_window", "rolling_deploy", "botocore", "slack-python")
    } == found
    alone = shipped["breakers_together"].replace("client.breaker.open_spread_fraction", 0)
    assert "194 of 200 clients" in found_in(alone, "breaker-trips-together").sentence


# --- hints -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "hint_s"),
    [
        ({"server.retry_after_s": 3600}, 3600),
        ({"server.advises_window_s": 600}, 600),
        ({"faults": [sl.Fault("reject", 5, 9, status=503, retry_after_s=900)]}, 900),
    ],
)
def test_a_long_hint_of_the_scenario_itself_is_a_warning(changes, hint_s):
    found = found_in(scenario().replace(changes), "hint-uncapped")
    assert ("warning", hint_s) == (found.severity, found.number)
    assert None is found_in(
        scenario().replace(changes | {"client.backoff.heeds_hint": False}), "hint-uncapped"
    )


# --- codes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"faults": [sl.Fault("reject", 5, 20, status=401)]}, "(its own reject at 5 s says it)"),
        ({"server.session_lifetime_s": 30}, "(a server that wants a session says it)"),
    ],
)
def test_a_401_of_the_scenario_itself_makes_its_loop_an_error(changes, said):
    found = found_in(stops(suspends_on=[403]).replace(changes), "stops-on-401-never")
    assert "error" == found.severity
    assert said in found.sentence
    elsewhere = stops(suspends_on=[403]).replace(faults=[sl.Fault("reject", 5, 20, status=503)])
    assert "info" == found_in(elsewhere, "stops-on-401-never").severity


def test_who_goes_on_after_a_401_hammers_the_server_the_more_the_shorter_its_waits():
    quick = stops(suspends_on=[]).replace("client.backoff.cap_s", 1)
    assert ("warning", 1 / 0.6) == (
        found_in(quick, "stops-on-401-never").severity,
        pytest.approx(found_in(quick, "stops-on-401-never").number),
    )
    # Of a client that gives up, that is the greater trouble; a broker's has no such codes.
    assert None is found_in(quick.replace("client.backoff.max_attempts", 5), "stops-on-401-never")
    assert None is found_in(sl.presets["ioredis"], "stops-on-401-never")


@pytest.mark.parametrize("code", [401, 4401])
def test_who_is_suspended_and_never_signs_in_is_stopped_for_good(code):
    kind = {"status": code} if code < 1000 else {"code": code}
    fault = sl.Fault("reject" if code < 1000 else "close", 5, 9, **kind)
    found = found_in(scenario(faults=[fault]), "stopped-by-fault")
    assert f"at 5 s says {code}, which suspends it until a sign-in, which never" in found.sentence
    assert 500 == found.number
    signs_in = scenario(faults=[fault]).replace("client.session.sign_in_after_s", 3)
    assert None is found_in(signs_in, "stopped-by-fault")
    assert None is found_in(scenario(faults=[fault]).replace("client.stops.suspends_on", []),
                            "stopped-by-fault")  # fmt: skip


def test_what_keeps_clients_out_in_the_scenario_itself_is_said_first():
    fault = sl.Fault("reject", 10, 40, status=401)
    rules = [each.rule for each in lint(backoff(jitter="none").replace("faults", [fault]))]
    assert rules[:2] == ["stopped-by-fault", "no-jitter"]


def test_a_server_that_refuses_what_is_too_much_ends_who_ends_on_503():
    full = stops(ends_on=[503]).replace("server.max_connections", 100)
    assert (
        "A server that has too much to do says 503" in found_in(full, "stopped-by-fault").sentence
    )
    assert None is found_in(stops(ends_on=[503]), "stopped-by-fault")


def test_what_stops_a_client_is_no_outage_for_it():
    ended = stops(ends_on=[410]).replace(
        duration_s=400, faults=[sl.Fault("reject", 5, 305, status=410)]
    )
    assert ["stopped-by-fault"] == [each.rule for each in lint(ended.replace(
        "client.backoff.max_attempts", 20))]  # fmt: skip


# --- silence -----------------------------------------------------------------------------


def test_a_heartbeat_is_judged_by_what_the_scenario_s_own_path_and_server_end():
    slow = scenario().replace("client.heartbeat.interval_s", 100)
    assert "path.idle_action = close" in found_in(slow, "heartbeat-slow").sentence
    assert "path.idle_timeout_s" in found_in(slow, "heartbeat-slow").sentence
    path = slow.replace("path.idle_timeout_s", 90)
    assert "its path keeps an idle connection (path.idle_timeout_s): 90 s" in (
        found_in(path, "heartbeat-slow").sentence
    )
    server = path.replace("server.silence_timeout_s", 70)
    assert "its server keeps a silent connection open (server.silence_timeout_s): 70 s" in (
        found_in(server, "heartbeat-slow").sentence
    )
    assert None is found_in(slow.replace("path.idle_timeout_s", 120), "heartbeat-slow")


@pytest.mark.parametrize("kind", ["half_open", "handover", "black_hole"])
def test_without_a_heartbeat_availability_counts_the_dead_as_good(kind):
    silent = scenario().replace("client.heartbeat.interval_s", inf)
    assert "availability_fraction counts it as good" in found_in(silent, "no-heartbeat").sentence
    dying = silent.replace(faults=[sl.Fault(kind, 5)])
    assert ("info", "warning") == (
        found_in(silent, "no-heartbeat").severity,
        found_in(dying, "no-heartbeat").severity,
    )


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


def test_each_cohort_is_checked_with_its_own_number_of_clients():
    cohort = sl.Cohort(name="old", clients_fraction=0.2, client=sl.presets["partysocket"].client)
    found = {(each.where, each.rule): each.number for each in lint(scenario(cohorts=[cohort]))}
    assert 100 == found["cohorts.0.client", "no-jitter"]
    assert all(where == "cohorts.0.client" for where, _ in found)


def test_a_preset_is_known_again_where_a_scenario_uses_it():
    rules = {each.rule for each in lint(scenario(client=sl.presets["y-websocket"].client))}
    assert {each.rule for each in lint(sl.presets["y-websocket"])} == rules == {
        "no-jitter", "stops-on-401-never", "no-heartbeat",
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


# --- waits after a loss, ends by time and by budget -------------------------------------


def found(target, rule):
    return [each for each in lint(target) if each.rule == rule]


def test_a_wait_after_a_loss_brings_all_back_together_unless_it_is_spread():
    [together] = found(backoff(after_loss_s=2), "first-wait-together")
    assert "2 s for all" in together.sentence
    assert "after_loss_jitter" in together.remedy
    assert [] == found(backoff(after_loss_s=2, after_loss_jitter="full"), "first-wait-together")
    # Nothing is a share of no wait.
    assert found(backoff(after_loss_s=0, after_loss_jitter="full"), "first-wait-together")
    assert [] == found(backoff(after_loss_s=0, after_loss_jitter="additive"), "first-wait-together")


def test_a_spread_wait_after_a_loss_flaps_by_its_mean():
    rules = {"after_loss_s": 0.4, "stable_after_s": 0}
    [exact] = found(backoff(**rules), "flapping")
    [spread] = found(backoff(**rules, after_loss_jitter="equal"), "flapping")
    assert (1 / 0.5, pytest.approx(1 / 0.4)) == (exact.number, spread.number)


def test_who_gives_up_by_time_is_told_by_that_time():
    [short] = found(backoff(give_up_after_s=45), "gives-up")
    assert ("error", 45.0, "s") == (short.severity, short.number, short.unit)
    assert "give_up_after_s = inf" in short.remedy
    assert [] == found(backoff(give_up_after_s=60), "gives-up")
    longer = backoff(give_up_after_s=60).replace(faults=[sl.Fault("outage", 5, 75)])
    assert "its own outage lasts 70 s" in found(longer, "gives-up")[0].sentence


def test_a_budget_that_time_does_not_fill_ends_a_client_like_a_count():
    def spent(**budget):
        return scenario().replace("client.attempt_budget", sl.AttemptBudget(**budget))

    [counted] = found(backoff(max_attempts=5, base_s=1, cap_s=20), "gives-up")
    [budgeted] = found(spent(per_s=0, burst=5), "gives-up")
    assert counted.number == budgeted.number
    assert "attempt_budget.per_s above 0" in budgeted.remedy
    assert [] == found(spent(per_s=0.1, burst=1), "gives-up")


def test_a_breaker_is_judged_without_the_end_by_time():
    slow = BREAKER.replace("client.backoff.give_up_after_s", 5)
    [finding] = found(slow, "breaker-slows")
    assert finding.number < inf


def test_a_client_whose_attempts_never_succeed_is_judged_all_the_same():
    hasty = breaking(trip_after=3).replace("client.connect_timeout_s", 1e-9)
    assert "breaker-slows" not in {finding.rule for finding in lint(hasty)}
