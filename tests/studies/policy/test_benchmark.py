"""Policies beside each other: the ends of their waits, and what one storm makes of each."""

from math import inf

import numpy as np
import pytest

import simlib as sl
from simlib.core.errors import SettingsError
from simlib.metrics.policy_waits import SHARES, waits_s
from simlib.studies.policy.benchmark import storm, storms


def client(name: str) -> sl.Settings:
    return sl.presets[name].client


def test_waits_lie_where_the_policy_s_draws_put_them():
    waits = waits_s(client("socket.io-client").backoff, 5)
    assert (0.0, 0.25, 0.5, 0.75, 1.0) == SHARES
    assert [0.5, 1, 2, 4, 5] == waits[0].tolist()
    assert [1.25, 2.5, 5, 5, 5] == waits[3].tolist()
    assert [1.5, 3, 5, 5, 5] == waits[4].tolist()


def test_jitter_that_compounds_spreads_further_with_each_attempt():
    least, _, _, _, most = waits_s(client("grpc-js").backoff, 6)
    assert 1.0 == least[0] == most[0]
    widths = most / least
    assert (np.diff(widths) > 0).all()
    assert [(1.2 / 0.8) ** k for k in range(6)] == pytest.approx(widths)


def test_who_gives_up_has_no_waits_after_that():
    assert [False] * 4 + [True] * 2 == np.isnan(waits_s(client("signalr").backoff, 6)[2]).tolist()
    assert np.isnan(waits_s(client("okhttp").backoff)).all()


@pytest.mark.parametrize("on", ["sim", "fleet"])
def test_without_jitter_a_storm_comes_as_one_and_takes_longest(on):
    if on == "fleet":
        pytest.importorskip("numba")
    names = ["phoenix", "aws-full", "okhttp"]
    said: list[str] = []
    table = storms(
        {name: client(name) for name in names}, 100, 10.0, on=on,
        progress=lambda _, name: said.append(name),
    )  # fmt: skip
    assert names == said == list(table.index)
    # Every wait is the same for all: 100 come together, and ten a second are let in. All
    # make five attempts in the first second of the outage: after 0.01, 0.16, 0.36, 0.61, 0.91 s.
    assert (100, 500) == (
        table["peak_after_per_s"]["phoenix"], table["peak_attempts_per_s"]["phoenix"]
    )  # fmt: skip
    assert table["peak_after_per_s"]["aws-full"] < 50
    assert 45 < table["back_s_p95"]["phoenix"] < 55
    assert table["back_s_p95"]["aws-full"] < 25
    assert (0, 100) == (table["attempts_per_client"]["okhttp"], table["never_back"]["okhttp"])
    assert inf == table["back_s_p50"]["okhttp"]


def test_a_wider_door_lets_clients_back_sooner_and_all_are_in_before_the_outage():
    narrow, wide = (
        storms({"aws": sl.presets["aws-full"].client}, 60, 5.0, rate_per_s, on="sim").loc["aws"]
        for rate_per_s in (1.0, 30.0)
    )
    assert narrow["never_back"] == wide["never_back"] == 0
    assert narrow["back_s_p95"] > 50 > wide["back_s_p95"]


def test_a_storm_needs_clients():
    with pytest.raises(SettingsError, match=r"clients = 0: must be 1 or more"):
        storm(sl.Settings(), 0)


def test_clients_that_never_connect_are_never_back_and_last_in_every_order():
    dead = sl.Settings(connect_timeout_s=0.01)
    gone = sl.Settings(backoff=sl.Backoff(max_attempts=0))
    table = storms({"dead": dead, "fine": sl.Settings(), "gone": gone}, 20, 5, on="sim")
    assert {"dead": 20, "fine": 0, "gone": 20} == table["never_back"].to_dict()
    assert [inf, inf] == table.loc["dead", ["back_s_p50", "back_s_p95"]].tolist()
    assert "fine" == table["back_s_p95"].idxmin()
