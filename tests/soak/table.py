"""What a soak found, in a table, and what does not hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from simlib.support.files import replacing
from tests.soak.processes import Station, can_fill_disks
from tests.soak.soak import Soak

#: Memory that is flat grows by no more, from a fifth of the time (minute 3 of 15) to the end.
MOST_GROWTH_FRACTION = 0.05
#: Caches and buffers of a process need some minutes to get their size.
_SHORTEST_JUDGED_S = 600.0
#: What memory is averaged over, at the two moments.
_AROUND_S = 30.0


def print_table(soak: Soak) -> None:
    """Print what was found."""
    print(f"\nSoak of {soak.played_s / 60.0:.1f} minutes, {soak.clients} clients, seed {soak.seed}"
          + ", interrupted" * soak.interrupted.is_set())  # fmt: skip
    names = [f"{station.name} server" for station in soak.stations]
    print(f"{'':34}" + "".join(f"{name:>18}" for name in names))
    for what, values in _rows(soak):
        print(f"{what:34}" + "".join(f"{value:>18}" for value in values))
    print("\nMemory that is the process's own, of processes that are never killed")
    for name, (early, late) in memory(soak).items():
        growth = late / early - 1.0
        print(f"{name:34}{early / 2**20:12.1f} MiB {late / 2**20:12.1f} MiB {growth:+12.1%}")
    print("\nLeft behind: " + ", ".join(f"{count} {what}" for what, count in left(soak).items()))
    if not can_fill_disks():
        print("No disk was filled up: only root can make a small one.")
    told = sum((station.told for station in soak.stations), Counter[str]())
    print("Stores refused: " + (", ".join(f"{n} times {why}" for why, n in told.items()) or "none"))
    faults = find_faults(soak)
    played = "that was played " * soak.interrupted.is_set()
    print("\nWhat does not hold:" if faults else f"\nEverything {played}holds.")
    for fault in faults:
        print(f"- {fault}")


def _rows(soak: Soak) -> Iterator[tuple[str, list[int]]]:
    stations = soak.stations
    fates = [soak.fates[station.name] for station in stations]
    yield "faults", [_count_faults(station, soak.played_s) for station in stations]
    yield "  of these crashes of the server", [_crashes(s, soak.played_s) for s in stations]
    for kind, words in (
        ("kill", "clients killed"),
        ("lock", "clients killed, store locked"),
        ("fill", "disk of the store full"),
    ):
        yield words, [station.happened[kind] for station in stations]
    yield "clock steps", [sum(station.happened.values()) for station in stations]
    yield "messages accepted", [each.accepted for each in fates]
    yield "delivered", [each.delivered for each in fates]
    words = "on their way" if soak.interrupted.is_set() else "lost"
    yield words, [len(each.lost) for each in fates]
    yield "doubled in effect", [len(each.doubled) for each in fates]
    yield "out of order per key", [len(each.out_of_order) for each in fates]


def _count_faults(station: Station, played_s: float) -> int:
    return sum(fault.start_s < played_s for fault in station.scenario.faults)


def _crashes(station: Station, played_s: float) -> int:
    return sum(
        fault.kind.name == "SERVER_CRASH" and fault.start_s < played_s
        for fault in station.scenario.faults
    )


def memory(soak: Soak) -> dict[str, tuple[float, float]]:
    """Return the memory of each process that is never killed, early and late, in bytes."""
    if not soak.samples:
        return {}
    early_s, late_s = soak.length_s / 5.0, soak.samples[-1]["time_s"]
    names = [name for name in soak.samples[0] if name != "time_s" and "tasks" not in name]
    return {name: (_mean(soak, name, early_s), _mean(soak, name, late_s)) for name in names}


def _mean(soak: Soak, name: str, around_s: float) -> float:
    near = sorted(soak.samples, key=lambda sample: abs(sample["time_s"] - around_s))
    values = [s[name] for s in near if abs(s["time_s"] - near[0]["time_s"]) <= _AROUND_S]
    return sum(values) / len(values)


def left(soak: Soak) -> dict[str, int]:
    """Return what is left of the soak, by what it is."""
    words = [m.last_words or {} for station in soak.stations for m in station.members]
    return soak.left | {
        "tasks of clients": sum(each.get("tasks", 0) for each in words),
        "files and sockets of clients": sum(each.get("files", 0) for each in words),
    }


def find_faults(soak: Soak) -> list[str]:
    """Return what does not hold, in words."""
    return [*_message_faults(soak), *_other_faults(soak)]


def _message_faults(soak: Soak) -> Iterator[str]:
    for station in soak.stations:
        fates = soak.fates[station.name]
        # What is on its way when a soak is interrupted is not lost.
        if fates.lost and not soak.interrupted.is_set():
            yield f"{len(fates.lost)} messages lost at the {station.name} server: {fates.lost[:5]}"
        if fates.doubled:
            yield f"{len(fates.doubled)} doubled at the {station.name} server: {fates.doubled[:5]}"
        if fates.out_of_order:
            late = fates.out_of_order
            yield f"{len(late)} out of order at the {station.name} server: {late[:5]}"


def _other_faults(soak: Soak) -> Iterator[str]:
    for station in soak.stations:
        yield from station.problems
        if station.kept and not soak.interrupted.is_set():
            yield f"{station.kept} messages still in outboxes at the {station.name} server"
        if any(member.last_words is None for member in station.members):
            yield f"a process of clients of the {station.name} server did not end when told to"
    for what, count in left(soak).items():
        if count:
            yield f"{count} {what} left behind"
    if soak.played_s >= _SHORTEST_JUDGED_S:
        for name, (early, late) in memory(soak).items():
            if late > early * (1.0 + MOST_GROWTH_FRACTION):
                yield f"the memory of {name} grew by {late / early - 1.0:.1%}"


def save(soak: Soak, path: Path) -> None:
    """Write what was found to a file."""
    found = {
        "minutes": soak.played_s / 60.0,
        "clients": soak.clients,
        "seed": soak.seed,
        "interrupted": soak.interrupted.is_set(),
        "fates": {name: fates._asdict() for name, fates in soak.fates.items()},
        "left": left(soak),
        "memory_bytes": memory(soak),
        "faults": find_faults(soak),
        "samples": soak.samples,
    }
    with replacing(path) as file:
        file.write_text(json.dumps(found, indent=2))
