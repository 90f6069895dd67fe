"""A storm for tests of tuning: small, and played by the fleet in a millisecond."""

import simlib as sl

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
