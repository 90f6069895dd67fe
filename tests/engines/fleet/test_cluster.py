"""Gateways as Dask tasks: real workers, and the same counts as one process."""

from multiprocessing import resource_tracker

import pytest

import simlib as sl
from simlib.core.errors import EngineError, SettingsError

distributed = pytest.importorskip("distributed")
pytest.importorskip("numba")

STORM = sl.Scenario(
    clients=90,
    gateways=3,
    duration_s=20,
    ramp_s=2,
    warm_up_s=6.5,
    client=sl.Settings(backoff=sl.Backoff(jitter="none", base_s=0.3)),
    server=sl.ServerSettings(accept_per_s=9),
    workload=sl.Workload(rate_per_s=0),
    faults=[sl.Fault("outage", start_s=5, stop_s=8), sl.Fault("deploy", 12, 15, rolling=True)],
)


@pytest.fixture(scope="module")
def cluster():
    """Two workers in processes of their own."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
    ) as local:
        yield local.scheduler_address
    # Python's own helper of processes that were spawned would stay until the tests end.
    resource_tracker._resource_tracker._stop()


def same(one, other):
    return one.tally.to_text() == other.tally.to_text() and one.end_s == other.end_s


def test_gateways_as_tasks_count_the_same_to_the_bit(cluster):
    told = []
    alone = sl.run(STORM, on="fleet")
    parts = sl.run(STORM, on="fleet", partition="gateway", scheduler=cluster, progress=told.append)
    assert same(alone, parts)
    assert [pytest.approx(k / 3) for k in (1, 2, 3)] == told


def test_replications_as_tasks_are_the_runs_themselves(cluster):
    scenarios = [STORM.replace(seed=seed) for seed in (1, 2)]
    with distributed.Client(cluster) as client:
        traces = sl.run_many(scenarios, scheduler=client)
        assert client.status == "running"
    assert [each.seed for each in scenarios] == [trace.scenario.seed for trace in traces]
    assert all(map(same, (sl.run(each, on="fleet") for each in scenarios), traces))


def test_no_scheduler_is_a_clear_error(monkeypatch):
    monkeypatch.setattr("simlib.engines.fleet.cluster._PATIENCE_S", 0.5)
    with pytest.raises(EngineError, match="no Dask scheduler answers at tcp"):
        sl.run(STORM, on="fleet", partition="gateway", scheduler="tcp://127.0.0.1:1")


@pytest.mark.slow
def test_parts_are_for_the_fleet_and_a_cluster_for_parts():
    with pytest.raises(SettingsError, match="must be fleet to be played in parts"):
        sl.run(STORM, partition="gateway")
    with pytest.raises(SettingsError, match='needs partition="gateway"'):
        sl.run(STORM, on="fleet", scheduler="tcp://127.0.0.1:1")
    with pytest.raises(SettingsError, match='partition = "client": must be "gateway"'):
        sl.run(STORM, on="fleet", partition="client")
