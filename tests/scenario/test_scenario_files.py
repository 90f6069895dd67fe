"""Each shipped scenario is sound, says what it teaches, and plays out that way."""

import tomllib
from functools import lru_cache
from math import inf
from pathlib import Path

import pandas as pd
import pytest

import simlib as sl
from simlib.metrics.metrics import spans
from simlib.scenario.build import build

#: Scenarios of record, as long and as large as what they are named after: not to be played live.
OF_RECORD = {
    *("agents_return", "bridge_restart", "connection_churn", "nat_of_200", "socket_io_storm"),
    "watch_storm",
}
FILES = sorted((Path(__file__).parents[2] / "data" / "scenarios").glob("*.toml"))


def shipped(name: str) -> sl.Scenario:
    return sl.load(next(file for file in FILES if file.stem == name))


@lru_cache(maxsize=2)
def played(scenario: sl.Scenario) -> sl.Trace:
    return sl.run(scenario)


def metrics(scenario: sl.Scenario) -> pd.Series:
    return sl.summary(played(scenario)).iloc[0]


def rows(trace: sl.Trace, name: str, **cells: str) -> pd.DataFrame:
    frame = trace.frame()
    frame = frame[frame["name"] == name]
    for column, value in cells.items():
        frame = frame[frame[column] == value]
    return frame


def sent_and_limited(trace: sl.Trace) -> tuple[int, int]:
    return len(rows(trace, "transmit")), len(rows(trace, "limit"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_is_named_after_its_file_and_says_what_it_teaches(file):
    scenario = sl.load(file)
    assert file.stem == scenario.name
    assert file.read_text(encoding="utf-8").startswith("# ")
    assert scenario.teaches.endswith(".")
    # Short enough to be played live; the report's own times are what they are.
    longest_s = 60.0 if file.stem == "report_claims" else 30.0
    assert file.stem in OF_RECORD or scenario.duration_s <= longest_s + 10.0


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_survives_being_written_and_read_again(file):
    scenario = sl.load(file)
    assert scenario == build(sl.Scenario, tomllib.loads(sl.dump(scenario)))


def test_after_the_first_outage_all_clients_are_back_within_two_seconds():
    result = metrics(shipped("first_outage"))
    assert 0 == result["never_recovered"]
    assert result["time_to_recover_s_p99"] < 2.0
    assert result["breaker_open_fraction"] > 0.0
    assert result["polling_fraction"] > 0.0


@pytest.mark.slow
def test_jitter_ends_the_storm_that_goes_on_without_it():
    storm = shipped("reconnect_storm")
    without, with_jitter = metrics(storm), metrics(storm.replace("client.backoff.jitter", "full"))
    assert without["never_recovered"] > 400
    assert 0 == with_jitter["never_recovered"]
    assert with_jitter["time_to_recover_s_p99"] < 7.0
    assert 1.0 == with_jitter["delivered_fraction"]


def test_a_server_that_suffices_for_even_starts_refuses_many_that_arrive_at_random():
    crowd = shipped("random_arrivals")
    evenly = crowd.replace("arrivals", "even")
    assert 0 == len(rows(played(evenly), "failed"))
    assert len(rows(played(crowd), "failed", reason="rejected")) > 100


@pytest.mark.slow
def test_a_bound_on_the_age_of_connections_evens_out_what_a_rolling_deploy_leaves():
    aged = metrics(shipped("rolling_deploy_balanced"))
    kept = metrics(shipped("rolling_deploy_balanced").replace("server.max_connection_age_s", inf))
    assert aged["undelivered"] < 30
    assert kept["undelivered"] > 300
    assert aged["latency_s_p95"] < kept["latency_s_p95"]


def test_a_limit_per_address_that_no_home_user_meets_keeps_an_office_out():
    office = metrics(shipped("office_behind_nat"))
    homes = metrics(shipped("office_behind_nat").replace("server.per_address.clients", 1))
    assert office["time_to_recover_s_p99"] > 3 * homes["time_to_recover_s_p99"]
    assert 0 == office["never_recovered"]


def test_an_accept_queue_that_drops_keeps_clients_out_for_seconds_and_tells_nobody():
    dropped = shipped("full_accept_queue")
    drops, refuses = metrics(dropped), metrics(dropped.replace("server.backlog_full", "refuse"))
    # The kernels come again after 1, 3 and 7 s, all together; a refused client asks its backoff.
    assert drops["time_to_recover_s_p99"] > refuses["time_to_recover_s_p99"] + 3.0
    assert drops["attempts"] < refuses["attempts"]
    assert 0 == drops["never_recovered"] == refuses["never_recovered"]


def test_a_proxy_that_closes_what_is_idle_costs_less_than_one_that_forgets_it():
    forgets = shipped("idle_proxy_60s")
    found = [metrics(forgets.replace("path.idle_action", each)) for each in ("forget", "close")]
    # The body is found by the first message, or nobody has to find it.
    assert found[0]["latency_s_p95"] > 1.0
    assert found[1]["latency_s_p95"] < 0.2


def test_a_client_that_knows_the_limit_sends_a_third_as_much():
    limited = shipped("rate_limited")
    paced = limited.replace("client.rate.per_s", 2.5).replace("client.rate.burst", 5)
    assert (783, 501) == sent_and_limited(played(limited))
    assert (292, 10) == sent_and_limited(played(paced))


def test_urgent_messages_overtake_while_the_server_limits():
    result = metrics(shipped("rate_limited"))
    assert result["latency_s_p95_critical"] < 1.0 < result["latency_s_p95_low"]


def test_with_websocket_blocked_messages_go_by_http_and_return():
    trace = played(shipped("poor_network_fallback"))
    (fault,) = trace.scenario.faults
    posted = rows(trace, "posted", reason="accepted")
    assert ((posted["time_s"] > fault.start_s) & (posted["time_s"] < fault.stop_s)).sum() > 150
    back = rows(trace, "notify", reason="returned")
    assert list(range(20)) == sorted(rows(trace, "notify", reason="fell_back")["client"])
    assert list(range(20)) == sorted(back["client"])
    assert (rows(trace, "transmit")["time_s"] > back["time_s"].max()).any()


# --- what the comments of the others promise ---------------------------------------------


def changed(name: str, **settings: object) -> pd.Series:
    """The metrics of a shipped scenario with settings changed, a double underscore for a dot."""
    scenario = shipped(name)
    for key, value in settings.items():
        scenario = scenario.replace(key.replace("__", "."), value)
    return metrics(scenario)


@pytest.mark.slow
def test_a_slow_server_stays_down_when_it_is_fast_again_until_it_sheds_load():
    down, shedding = metrics(shipped("slow_server")), changed("slow_server", server__backlog=40)
    # 105 of 120 clients are out for the 23 s that follow the trigger; with shedding, none.
    assert down["never_recovered"] > 100
    assert 0 == shedding["never_recovered"]
    trace = played(shipped("slow_server"))
    late = trace.frame()
    late = late[late["time_s"] > 20]
    # The clients ask for as much as it can do all the while, and nearly none of it is for anybody.
    assert (late["name"] == "arrived").sum() > 350
    assert (late["name"] == "opened").sum() < 40


def test_a_count_that_resets_on_open_becomes_a_tight_loop():
    loop = metrics(shipped("accept_then_close"))
    patient = changed("accept_then_close", client__backoff__stable_after_s=1)
    assert loop["attempts"] > 3 * patient["attempts"]


def test_without_a_heartbeat_nobody_finds_a_handover():
    found = metrics(shipped("cell_handover"))
    assert (0, 1.0) == (found["never_recovered"], found["delivered_fraction"])
    never = changed("cell_handover", client__heartbeat__interval_s=float("inf"))
    assert never["undelivered"] + never["lost"] > 50


def test_a_heartbeat_more_often_than_the_proxy_forgets_keeps_every_connection():
    assert metrics(shipped("idle_proxy_60s"))["attempts"] > 10
    assert 10 == changed("idle_proxy_60s", client__heartbeat__interval_s=5)["attempts"]


def test_what_is_not_saved_is_gone_with_the_page():
    assert 0 == metrics(shipped("crash_and_reload"))["lost"]
    assert 0 < changed("crash_and_reload", client__outbox__persist="none")["lost"]


def test_after_a_freeze_there_is_no_burst():
    trace = played(shipped("background_tab"))
    frame = trace.frame()
    woken = frame[(frame["name"] == "transmit") & (frame["time_s"] == 9.0)]
    # No more at the moment of waking than the client's own bucket holds, and nothing twice.
    assert woken.groupby("client").size().max() <= trace.scenario.client.rate.burst
    row = sl.summary(trace).iloc[0]
    assert (1.0, 0.0, 20) == (row["delivered_fraction"], row["duplicate_fraction"], row["attempts"])


def test_a_patient_heartbeat_raises_no_false_alarm():
    assert metrics(shipped("heartbeat_false_alarm"))["attempts"] > 15
    assert 15 == changed("heartbeat_false_alarm", client__heartbeat__timeout_s=3)["attempts"]


def test_a_patient_resend_sends_once():
    assert metrics(shipped("duplicate_after_resend"))["duplicate_fraction"] > 0.3
    patient = changed("duplicate_after_resend", client__outbox__ack_timeout_s=2)
    assert 0.0 == patient["duplicate_fraction"]


def test_ids_on_disk_count_once_across_a_crash_and_ids_in_memory_do_not():
    disk = metrics(shipped("crash_counts_once"))
    memory = changed("crash_counts_once", server__remember="memory")
    assert (0, 0, 0) == (disk["doubled"], disk["lost"], memory["lost"])
    assert memory["doubled"] > 5
    # The same copies came to both.
    assert memory["duplicate_fraction"] == disk["duplicate_fraction"]


def test_who_hears_that_the_network_is_back_is_back_sooner():
    trace = played(shipped("network_back_early"))
    opened = rows(trace, "opened")
    back = opened[opened["time_s"] > 8.0].groupby("client")["time_s"].first()
    assert back[:10].max() < 9.0 < back[10:].max()


def test_sign_ins_that_are_spread_make_no_storm():
    def longest_s(scenario):
        trace = played(scenario)
        asked, answered = rows(trace, "sign_in"), rows(trace, "signed_in")
        began = asked[asked["time_s"] > 4.9].groupby("client")["time_s"].first()
        ended = answered[answered["time_s"] > 4.9].groupby("client")["time_s"].first()
        return (ended - began).max()

    storm = shipped("token_refresh_storm")
    assert longest_s(storm) > 1.5
    assert longest_s(storm.replace("client.session.spread_s", 3)) < 0.5


def test_a_dwell_time_keeps_the_transport_from_flapping():
    def changes(scenario):
        return len(rows(played(scenario), "notify", reason="fell_back"))

    flapping = shipped("flapping_wifi")
    assert 2 * changes(flapping) < changes(flapping.replace("client.fallback.dwell_s", 0))


def test_a_session_of_tls_that_is_resumed_halves_the_storm():
    full = metrics(shipped("tls_storm"))
    resumed = changed("tls_storm", path__tls="resumed", server__tls_service_s=0.012)
    without = shipped("tls_storm").replace({"path.tls": "none", "server.tls_service_s": 0})
    # 60 handshakes of 50 ms each, of 22 ms, and of 10 ms; and the wait before the first one.
    for row, least_s in ((full, 3.0), (resumed, 1.32), (metrics(without), 0.6)):
        assert least_s < row["last_back_s"] < least_s + 1.0
    assert 0 == full["never_recovered"]


def test_an_expired_session_asks_each_user_once_and_loses_nothing():
    trace = played(shipped("session_expiry"))
    assert list(range(20)) == sorted(rows(trace, "notify", reason="sign_in")["client"])
    assert 1.0 == sl.summary(trace)["delivered_fraction"].iloc[0]


def test_an_attempt_that_was_given_up_may_open_and_is_closed():
    trace = played(shipped("late_open_race"))
    opened = rows(trace, "opened")
    assert (rows(trace, "admit")["time_s"] > 3.0).sum() > len(opened[opened["time_s"] > 3.0])
    assert 0 == metrics(shipped("late_open_race"))["never_recovered"]


def test_a_budget_is_never_passed():
    trace = played(shipped("connect_budget"))
    budget = trace.scenario.client.connect_budget
    for _, attempts in rows(trace, "open").groupby("client"):
        times_s = attempts["time_s"].to_list()
        for i in range(budget.burst, len(times_s)):
            span_s = times_s[i] - times_s[i - budget.burst]
            assert span_s >= 1.0 / budget.per_s - 1e-9
    assert len(rows(trace, "notify", reason="budget"))


def test_conflicts_are_told_and_held_edits_are_few():
    row = metrics(shipped("draft_sync_offline"))
    assert row["superseded"] > 0.5 * row["sent"]
    assert row["contested"] > 0
    assert (0, 0) == (row["lost"], row["undelivered"])


def test_the_accept_rate_alone_says_how_long_a_cohort_needs():
    last_s = metrics(shipped("fleet_storm"))["time_to_recover_s_p99"]
    twice_s = changed("fleet_storm", server__accept_per_s=60)["time_to_recover_s_p99"]
    # 300 clients at 30 a second need ten, and at 60 half as long; a second's worth comes at once.
    assert 9 < last_s < 14
    assert 4 < twice_s < 8


def test_a_naive_cohort_gets_in_before_the_patient_and_only_at_the_gateway_that_is_drained():
    rolling = shipped("rolling_gateways")
    naive = [client for client in range(200) if rolling.cohort_of(client) == 0]

    def away_s(scenario):
        looks = spans(played(scenario), ["state"])
        looks = looks[(looks["state"] != "open") & (looks["start_s"] > 7.5)]
        lengths_s = (looks["stop_s"] - looks["start_s"]).groupby(looks["client"]).sum()
        return lengths_s[naive].mean(), lengths_s.drop(naive).mean()

    (naive_s, patient_s), (_, alone_s) = map(
        away_s, (rolling, rolling.replace("cohorts.0.clients_fraction", 0))
    )
    assert 0.8 < naive_s < 1.0
    assert 2.3 < patient_s < 2.4
    # Among their like these very clients would have been back sooner.
    assert alone_s < 0.9 * patient_s
    lost = rows(played(rolling), "lost")
    fault = rolling.faults[0]
    turns = ((lost["time_s"] - fault.start_s) / 2).clip(upper=3.99).astype(int)
    assert (lost["client"] % 4 == turns).sum() > 0.95 * len(lost)
    at_once = rolling.replace(faults=[sl.Fault("deploy", 8, 10)])
    assert 2 * metrics(rolling)["peak_attempts_per_s"] < metrics(at_once)["peak_attempts_per_s"]


def test_breakers_whose_time_is_drawn_do_not_probe_together():
    apart = metrics(shipped("breakers_together"))
    together = changed("breakers_together", client__breaker__open_spread_fraction=0.0)
    assert 2 * apart["peak_after_fault_per_s"] < together["peak_after_fault_per_s"]
    assert 2 * apart["time_to_recover_s_p50"] < together["time_to_recover_s_p50"]


def test_a_wait_after_a_loss_that_is_spread_is_as_wide_as_the_server_needs():
    apart = metrics(shipped("return_apart"))
    together = changed("return_apart", client__backoff__after_loss_jitter="none")
    assert 400 == apart["attempts"]  # one for each start, and one for each loss
    assert together["attempts"] > 600
    assert together["peak_attempts_per_s"] > 3 * apart["peak_attempts_per_s"]


def test_who_bounds_a_hint_is_back_with_the_server():
    assert metrics(shipped("long_retry_after"))["last_back_s"] < 10.0
    assert (
        20
        <= changed("long_retry_after", client__backoff__hint_cap_s=float("inf"))["never_recovered"]
    )


def test_only_who_tries_on_outlasts_the_outage():
    scenario = shipped("stops_trying")
    gone = set(rows(played(scenario), "notify", reason="gave_up")["client"])
    limited = {client for client in range(40) if scenario.cohort_of(client) < 3}
    assert limited == gone
    assert 40 - len(limited) == len(rows(played(scenario), "opened").query("time_s > 25"))


@pytest.mark.slow
def test_a_window_as_long_as_the_server_needs_has_nobody_refused_for_long():
    advised = metrics(shipped("advised_window"))
    alone = changed("advised_window", server__advises_window_s=0.0)
    assert 600 == advised["attempts"]
    assert alone["attempts"] > 2 * advised["attempts"]
    assert advised["last_back_s"] < alone["last_back_s"]


def test_where_any_traffic_is_life_a_connection_in_use_raises_no_false_alarm():
    assert 20 == metrics(shipped("busy_connection"))["attempts"]
    assert 40 <= changed("busy_connection", client__heartbeat__any_traffic=False)["attempts"]


def test_a_hidden_page_keeps_its_connection_with_a_server_more_patient_than_the_browser():
    assert metrics(shipped("hidden_tab"))["attempts"] > 60
    assert 20 == changed("hidden_tab", server__silence_timeout_s=9.0)["attempts"]
