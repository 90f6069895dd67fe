"""One review for all tests of this folder: small, on sim, with a name that is an attack."""

import pytest

import simlib as sl
from simlib.review import side_studies

NAME = "storm <script>alert(1)<img src=x> & |co| $x^$ `b`"


def small_storm(**changes):
    scenario = sl.Scenario(
        name=NAME,
        clients=20,
        duration_s=40,
        ramp_s=2,
        seed=3,
        client=sl.Settings(backoff=sl.Backoff(base_s=1, cap_s=4, jitter="full")),
        server=sl.ServerSettings(accept_per_s=10),
        path=sl.Path(latency=sl.Latency(mean_s=0.05)),
        workload=sl.Workload(rate_per_s=0.5),
        faults=[sl.Fault("outage", start_s=5, stop_s=15)],
    )
    return scenario.replace(**changes) if changes else scenario


@pytest.fixture(scope="session", autouse=True)
def few_samples():
    """Let the sensitivity of a review be of a few runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(side_studies, "_SAMPLES", 2)
        yield


@pytest.fixture(scope="session")
def made(tmp_path_factory, few_samples):
    """A review of two policies that was written to files."""
    out = tmp_path_factory.mktemp("review") / "review.html"
    found = sl.report(
        small_storm(),
        {"phoenix <b>": "preset:phoenix"},
        out=out,
        objectives=["time_to_recover_s_p95 <= 30"],
        vary={"outage_s": [5, 10], "clients": [10, 20]},
        replications=3,
        on="sim",
        progress=lambda *_: None,
    )
    return found, out
