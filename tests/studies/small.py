"""A storm for tests of tuning: small, and played by the fleet in a millisecond; and few rivals."""

import simlib as sl
from simlib.studies.tune import rivals

STORM = sl.Scenario(
    name="storm",
    clients=60,
    duration_s=30,
    ramp_s=4,
    warm_up_s=5,
    server=sl.ServerSettings(accept_per_s=20),
    workload=sl.Workload(rate_per_s=0),
    faults=[sl.Fault("outage", start_s=5, stop_s=9)],
)


def with_few_rivals(monkeypatch):
    """Let a tuned policy stand beside a few others, not beside all presets."""
    names = ("as given", "phoenix", "okhttp", "tenacity")
    few = [each for each in rivals.rivals("fleet") if each.name in names]
    monkeypatch.setattr(rivals, "rivals", lambda on: few)
