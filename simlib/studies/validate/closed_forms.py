"""Closed forms of queues and token buckets, each with its source; none of them plays anything."""

from __future__ import annotations

from math import exp, factorial

#: Where the formulas stand.
ERLANG = "Erlang (1917)"
CROMMELIN = "Erlang (1909), Crommelin (1932)"
POLLACZEK = "Pollaczek (1930), Khinchine (1932)"
BOUNDED = "Gross and Harris, Fundamentals of Queueing Theory"
COBHAM = "Cobham, Operations Research 2 (1954)"
POISSON = "tail of the Poisson distribution"
RUNS = "Feller, Probability Theory I, XIII.7: success runs"
SCANS = "Fu and Koutras, JASA 89 (1994): Markov chain of the last attempts"
ADDED_UP = "added up by the policy's definition"
GCRA = "ITU-T I.371 (GCRA)"
RENEWAL = "elementary renewal theorem"
RETRIAL = "Falin and Templeton, Retrial Queues (1997), chapter 1"


def share_waiting(workers: int, offered: float) -> float:
    """Return the share of the arrivals at M/M/c that wait (Erlang C).

    Examples
    --------
    >>> round(share_waiting(5, 2.5), 3), round(share_waiting(10, 5.0), 3)
    (0.13, 0.036)
    """
    last = offered**workers / factorial(workers) / (1.0 - offered / workers)
    return last / (sum(offered**k / factorial(k) for k in range(workers)) + last)


def mean_wait_s(workers: int, offered: float, service_s: float = 1.0) -> float:
    """Return the mean wait at M/M/c.

    Examples
    --------
    >>> mean_wait_s(1, 0.5)
    1.0
    """
    return share_waiting(workers, offered) * service_s / (workers - offered)


def mean_constant_wait_s(load: float) -> float:
    """Return the mean wait at M/D/1 in service times (Pollaczek and Khinchine).

    Examples
    --------
    >>> mean_constant_wait_s(0.5)
    0.5
    """
    return load / (2.0 * (1.0 - load))


def constant_wait_share(load: float, t: float) -> float:
    """Return the share of the arrivals at M/D/1 that wait no longer than t service times.

    Examples
    --------
    >>> constant_wait_share(0.5, 0.0)
    0.5
    """
    terms = ((load * (k - t)) ** k / factorial(k) * exp(-load * (k - t)) for k in range(int(t) + 1))
    return (1.0 - load) * sum(terms)


def blocked_share(load: float, room: int) -> float:
    """Return the share that finds M/M/1/K full; the room counts the one that is served.

    Examples
    --------
    >>> round(blocked_share(0.5, 1), 6)
    0.333333
    """
    return (1.0 - load) * load**room / (1.0 - load ** (room + 1))


def constant_blocked_share(load: float, room: int) -> float:
    """Return the share that finds M/D/1/K full, and so what a token bucket of K refuses.

    It is 1 - 1 / (p + load), with p the share of M/D/1's stationary mass up to K - 1 that is 0,
    from the chain embedded at departures.

    Examples
    --------
    >>> round(constant_blocked_share(0.8, 1), 6), round(constant_blocked_share(0.8, 5), 6)
    (0.444444, 0.03529)
    """
    arrivals = [exp(-load) * load**k / factorial(k) for k in range(room + 1)]
    left = [1.0]  # how likely a departure leaves so many, up to a factor
    for k in range(room - 1):
        known = left[0] * arrivals[k] + sum(left[j] * arrivals[k + 1 - j] for j in range(1, k + 1))
        left.append((left[k] - known) / arrivals[0])
    return 1.0 - 1.0 / (left[0] / sum(left) + load)


def lost_share(workers: int, offered: float) -> float:
    """Return the share that finds all workers of M/M/c/c busy (Erlang B).

    Examples
    --------
    >>> round(lost_share(5, 4.0), 5)
    0.19907
    """
    terms = [offered**k / factorial(k) for k in range(workers + 1)]
    return terms[-1] / sum(terms)


def priority_wait_s(loads: tuple[float, ...], rank: int) -> float:
    """Return the mean wait of one priority at one constant worker, in service times (Cobham).

    Examples
    --------
    >>> round(priority_wait_s((0.3, 0.5), 0), 4), round(priority_wait_s((0.3, 0.5), 1), 4)
    (0.5714, 2.8571)
    """
    above, up_to = sum(loads[:rank]), sum(loads[: rank + 1])
    return sum(loads) / 2.0 / ((1.0 - above) * (1.0 - up_to))


def overflow_share(mean: float, room: int) -> float:
    """Return how likely more arrive than there is room for.

    Examples
    --------
    >>> round(overflow_share(100.0, 100), 4)
    0.4734
    """
    return 1.0 - sum(_poisson(mean, k) for k in range(room + 1))


def mean_overflow(mean: float, room: int) -> float:
    """Return how many of the arrivals find no room, on average.

    Examples
    --------
    >>> round(mean_overflow(20.0, 20), 4)
    1.7767
    """
    return mean - room + sum((room - k) * _poisson(mean, k) for k in range(room))


def _poisson(mean: float, k: int) -> float:
    term = exp(-mean)
    for i in range(1, k + 1):
        term *= mean / i
    return term


def attempts_until_trip(failing_fraction: float, in_a_row: int) -> float:
    """Return how many attempts it takes on average until so many in a row have failed.

    Examples
    --------
    >>> attempts_until_trip(0.5, 3)
    14.0
    """
    return (failing_fraction**-in_a_row - 1.0) / (1.0 - failing_fraction)


def attempts_until_share(failing_fraction: float, failed: int, window: int) -> float:
    """Return the mean number of attempts until ``failed`` of the last ``window`` have failed.

    Failures are counted at each failure, once there have been ``window`` attempts. The mean is the
    sum of the chances that more attempts are needed, from the Markov chain of the last attempts.

    Examples
    --------
    >>> round(attempts_until_share(0.5, 3, 3), 9) == attempts_until_trip(0.5, 3)
    True
    >>> round(attempts_until_share(0.5, 1, 1), 9)  # the first failure
    2.0
    """
    kept = (1 << window) - 1
    chances, attempts, mean = {0: 1.0}, 0, 0.0
    while (left := sum(chances.values())) > 1e-15:
        mean += left
        attempts += 1
        later: dict[int, float] = {}
        for last, chance in chances.items():
            for bit, share in ((0, 1.0 - failing_fraction), (1, failing_fraction)):
                now = (last << 1 | bit) & kept
                if not bit or attempts < window or now.bit_count() < failed:
                    later[now] = later.get(now, 0.0) + chance * share
        chances = later
    return mean
