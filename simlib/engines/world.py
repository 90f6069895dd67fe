"""What sim and live share: workload, fault timeline, the users' processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from math import inf, nextafter
from typing import Any, Protocol

import simpy

from simlib.core.client import Client
from simlib.core.draws import INDEX_BITS, PER_LIFE, Stream, uniform
from simlib.core.errors import MisuseError, SettingsError
from simlib.core.events import (
    NONE,
    Edit,
    Event,
    Follow,
    Hinted,
    Message,
    Offline,
    Online,
    Priority,
    Reason,
    Restored,
    Send,
    SignedIn,
    Start,
    Stop,
)
from simlib.core.faults import Fault, FaultKind, Route
from simlib.core.outbox import Persist
from simlib.engines.driver import Driver, Host, Observer
from simlib.engines.live.codec import NUMBER_LIMIT, message_bytes
from simlib.engines.sim_clock import SimClock
from simlib.engines.store import Store
from simlib.engines.traffic import TrafficGenerator
from simlib.scenario.scenario import Scenario, timeline_of
from simlib.scenario.workload import Hint
from simlib.trace.columns import Kind, Name
from simlib.trace.notes import fault_row, note
from simlib.trace.server_log import ServerLog
from simlib.trace.trace import Trace

#: A process of the user's own: given the world, it yields SimPy events.
Process = Callable[["World"], Generator[simpy.Event, Any, Any]]


class Stage(Host, Protocol):
    """A host that also plays the faults."""

    def fault_starts(self, index: int) -> None:
        """Make a fault's start happen to the network and the server."""

    def fault_stops(self, index: int) -> None:
        """Make a fault's stop happen to the network and the server."""

    def vanish(self, driver: Driver) -> None:
        """End all connections of a client that is gone, as its platform does."""

    def session_s(self, client: int) -> float:
        """Return when the session of a client's cookie ends, in the run's time; -inf: none."""

    def server_log(self) -> ServerLog:
        """Return what the servers decided so far."""


class World:
    """Everything around the host: clients, their applications, and the script of faults.

    Attributes
    ----------
    clock : SimClock
        A `simpy.Environment`; on the wall clock in a live run.
    scenario : Scenario
        What is played.
    drivers : list of Driver
        One per client that is played here, in order.
    observers : list of callable
        Called after each step of any client with driver, event, commands and time.
    """

    def __init__(
        self,
        scenario: Scenario,
        clock: SimClock,
        stage: Stage,
        trace: Trace,
        store: Store,
        clients: range | None = None,
    ) -> None:
        self.scenario = scenario
        #: The clients that are played here. Where other processes play the others, the process that
        #: shares them out writes the rows of the faults.
        self.clients = range(scenario.clients) if clients is None else clients
        self._plays_all = clients is None
        self.clock = clock
        clock.guard(scenario)
        self.timeline = timeline_of(scenario)
        self.trace = trace
        self.observers: list[Observer] = []
        #: The faults of the scenario and those struck by hand.
        self._script = list(scenario.faults)
        self._struck: set[int] = set()
        self._stage = stage
        self._store = store
        #: How many processes each client has lived in before.
        persists = self._persists
        self._lives = [store.begin_life(client) if persists else 0 for client in self.clients]
        _check_lives(max(self._lives, default=0), scenario)
        self.drivers = [
            Driver(
                Client(scenario.client_of(client), scenario.seed, client, lives), clock, stage,
                trace, store, self.observers,
            )
            for client, lives in zip(self.clients, self._lives, strict=True)
        ]  # fmt: skip
        # Numbers that an earlier process gave are never given again.
        self._numbered = [lives * NUMBERS_PER_LIFE for lives in self._lives]
        most = NUMBERS_PER_LIFE if persists else NUMBER_LIMIT
        self._numbers_end = [first + most for first in self._numbered]
        self._noted_size = False
        #: How many announced faults keep a client from the network, by its number.
        self._away: Counter[int] = Counter()
        #: Clients whose users have left for good.
        self._left: set[int] = set()

    def begin(self, processes: Sequence[Process] = ()) -> None:
        """Schedule the clients' starts, their applications, the faults and the user's processes."""
        scenario = self.scenario
        for time_s, index, starts in self.timeline.edges():
            if time_s < scenario.duration_s:
                self.clock.at(time_s, self._fault, index, starts)
        for hint in scenario.hints:
            self.clock.at(hint.start_s, self._hint, hint)
        for client, driver, lives in zip(self.clients, self.drivers, self._lives, strict=True):
            if lives:
                # Before any message of this life: what was accepted first comes first.
                self.clock.at(0.0, self._revive, driver, lives)
            self.clock.at(scenario.starts_s(client), self._start, driver)
            if (leaves_s := scenario.leaves_s(client)) < scenario.duration_s:
                self.clock.at(leaves_s, self._leave, driver)
            TrafficGenerator(self, client).begin()
        for process in processes:
            self.clock.process(process(self))

    def send(
        self,
        client: int,
        priority: Priority = Priority.NORMAL,
        size_bytes: int = 200,
        expires_after_s: float = inf,
        key: int = NONE,
    ) -> int:
        """Add a message to a client's outbox; return its number, or -1 if the client is gone."""
        return self._give(Send, client, priority, size_bytes, expires_after_s, key, NONE)

    def edit(
        self, client: int, key: int, priority: Priority = Priority.NORMAL, size_bytes: int = 200
    ) -> int:
        """Pass a new draft text to a client; return its number, or -1 if the client is gone."""
        return self._give(Edit, client, priority, size_bytes, inf, key, 0)

    def strike(self, fault: Fault, at_s: float | None = None) -> int:
        """Begin a fault now, or at a moment to come, to last until it is lifted; return its index.

        Its own times do not count. The trace's scenario has it from now on as if it had been
        scripted, so that the run can be played again.

        Raises
        ------
        MisuseError
            If the run is over.
        """
        start_s = self.clock.now_s if at_s is None else at_s
        if start_s >= self.scenario.duration_s:
            raise MisuseError("a fault cannot be struck: the run is over")
        index = self.timeline.begin(fault, start_s)
        self._script.append(self.timeline.faults[index])
        if self.timeline.faults[index].end_s == inf:
            self._struck.add(index)
        if at_s is None:
            self._fault(index, True)
        else:
            self.clock.at(at_s, self._fault, index, True)
        self._write_script()
        return index

    def lift(self, index: int, at_s: float | None = None) -> None:
        """End a fault that was struck, now or at a moment to come.

        Raises
        ------
        MisuseError
            If it was not struck, takes but a moment, or was lifted before.
        """
        if index not in self._struck:
            raise MisuseError(f"fault {index} cannot be lifted: it was not struck, or is over")
        self._struck.remove(index)
        # A fault has some length, even one that is lifted at the moment it was struck.
        shortest_s = nextafter(self.timeline.faults[index].start_s, inf)
        stop_s = max(self.clock.now_s if at_s is None else at_s, shortest_s)
        if at_s is not None:
            self._note_end(index, stop_s)
        self.clock.at(stop_s, self._end, index, at_s is None)

    def can_lift(self, index: int) -> bool:
        """Whether a fault was struck by hand and still acts; one of a moment is over at once."""
        return index in self._struck

    def server_log(self) -> ServerLog:
        """Return what the servers decided on handshakes so far."""
        return self._stage.server_log()

    def _end(self, index: int, is_now: bool) -> None:
        if is_now:
            self._note_end(index, self.clock.now_s)
        self._fault(index, False)

    def _note_end(self, index: int, stop_s: float) -> None:
        self.timeline.end(index, stop_s)
        self._script[self.timeline.origins[index]] = self.timeline.faults[index]
        self._write_script()

    def _write_script(self) -> None:
        self.trace.scenario = self.trace.scenario.replace(faults=self._script)

    def tell(self, client: int, event: Event) -> None:
        """Pass an event to a client by hand, such as `Offline()` or `Hinted(rtt_s=2.0)`."""
        self._driver(client).feed(event)

    def _driver(self, client: int) -> Driver:
        return self.drivers[self.clients.index(client)]

    def _hit(self, index: int) -> list[Driver]:
        """Return the drivers of the clients that a fault hits."""
        hit = self.timeline.hit(index, self.scenario.clients)
        return [self._driver(client) for client in hit if client in self.clients]

    @property
    def _persists(self) -> bool:
        return any(client.outbox.persist != Persist.NONE for client in self.scenario.policies)

    def _give(
        self,
        event: type[Send] | type[Edit],
        client: int,
        priority: Priority,
        size_bytes: int,
        expires_after_s: float,
        key: int,
        base: int,
    ) -> int:
        place = self.clients.index(client)
        driver = self.drivers[place]
        if driver.gone or client in self._left:
            return NONE
        number = self._numbered[place]
        if number == self._numbers_end[place]:
            raise _make_numbering_error(client, self._persists)
        self._numbered[place] = number + 1
        now = self.clock.now_s
        expires_s = now + expires_after_s
        message = Message(number, priority, size_bytes, now, expires_s, key, base)
        if (sent_bytes := message_bytes(message)) > size_bytes:
            self._note_size(size_bytes, sent_bytes)
        driver.feed(event(message))
        return number

    def _note_size(self, size_bytes: int, sent_bytes: int) -> None:
        if not self._noted_size:
            self._noted_size = True
            self.trace.add_note(
                f"A message of {size_bytes} bytes was sent as {sent_bytes}: what names it takes so "
                "many. The same is true of every message that is as small, simulated or live."
            )

    def _start(self, driver: Driver) -> None:
        client = driver.client.number
        left_s = self._stage.session_s(client) - self.clock.now_s
        if left_s > 0.0:
            driver.feed(SignedIn(0, Reason.ACCEPTED, left_s))
        key = self.scenario.workload.key_of(client)
        if key != NONE:
            driver.feed(Follow(key))
        driver.feed(Start())

    def _leave(self, driver: Driver) -> None:
        """End a client for good, as its user does."""
        number = driver.client.number
        self._left.add(number)
        if driver.gone:
            # Nobody is there to be told, and it does not come back.
            self.trace.append(note(self.clock.now_s, number, Kind.FAULT, Name.STOP))
        driver.feed(Stop())

    # --- faults and hints ----------------------------------------------------------------

    def _fault(self, index: int, starts: bool) -> None:
        name = Name.FAULT_START if starts else Name.FAULT_STOP
        fault, origin = self.timeline.faults[index], self.timeline.origins[index]
        kind = self._script[origin].kind
        if self._plays_all:
            self.trace.append(fault_row(self.clock.now_s, name, origin, kind))
        # A platform knows of the network's end before a connection does, and of its return after.
        if starts and fault.announced:
            self._tell_offline(index)
        (self._stage.fault_starts if starts else self._stage.fault_stops)(index)
        # A handover is over at its start: the network that is back is another.
        if fault.announced and (not starts or fault.end_s == fault.start_s):
            self._tell_online(index)
        action = _TO_CLIENTS.get((fault.kind, starts))
        if action is not None:
            for driver in self._hit(index):
                action(self, driver)

    def _tell_offline(self, index: int) -> None:
        for driver in self._hit(index):
            self._away[driver.client.number] += 1
            driver.feed(Offline())

    def _tell_online(self, index: int) -> None:
        """Tell a fault's clients that the network is back, unless another still keeps it away."""
        for driver in self._hit(index):
            self._away[driver.client.number] -= 1
            if not self._away[driver.client.number]:
                driver.feed(Online())

    def _hint(self, hint: Hint) -> None:
        told = round(hint.clients_fraction * self.scenario.clients)
        for driver in self.drivers:
            if driver.client.number >= told:
                break
            if not hint.online:
                driver.feed(Offline())
                continue
            driver.feed(Hinted(hint.rtt_s, int(hint.downlink_bytes_per_s), hint.save_data))
            driver.feed(Online())

    def _freeze(self, driver: Driver) -> None:
        driver.sleep()

    def _thaw(self, driver: Driver) -> None:
        driver.wake_up()

    def _throttle(self, driver: Driver) -> None:
        """Slow a client's timers down to those of its faults now, or let them run again."""
        number = driver.client.number
        active = self.timeline.active(
            FaultKind.CLIENT_THROTTLE, number, Route.ALL, self.clock.now_s
        )
        every_s = max((fault.timers_every_s for fault in active), default=0.0)
        # A browser counts from the start of its machine, so no two clients' timers fire together.
        first_s = every_s * uniform(self.scenario.seed, number, Stream.TIMERS, 0)
        driver.throttle(every_s, first_s)

    def _unload(self, driver: Driver) -> None:
        """Close a client's page: what was not saved is gone."""
        client, now = driver.client, self.clock.now_s
        # Who has not begun has no page, and would be started twice if it were opened again.
        has_begun = now >= self.scenario.starts_s(client.number)
        if driver.gone or not has_begun or client.number in self._left:
            return
        driver.go()
        self._stage.vanish(driver)
        self.trace.append(note(now, client.number, Kind.FAULT, Name.GONE))
        outbox = client.outbox
        for message in (*outbox.messages(), *client.delivery.drafts.messages()):
            if not outbox.persists(message):
                forgotten = Reason.FORGOTTEN
                self.trace.append(
                    note(now, client.number, Kind.FAULT, Name.DROP, 0, message.id, forgotten)
                )

    def _reload(self, driver: Driver) -> None:
        scenario, number = self.scenario, driver.client.number
        if not driver.gone or number in self._left:
            return
        driver.come_back(Client(scenario.client_of(number), scenario.seed, number, driver.life + 1))
        self.trace.append(note(self.clock.now_s, number, Kind.FAULT, Name.RELOADED))
        self._restore(driver)
        self._start(driver)

    def _revive(self, driver: Driver, lives: int) -> None:
        """Restore a client of an earlier process."""
        for _ in range(lives):
            reloaded = note(self.clock.now_s, driver.client.number, Kind.FAULT, Name.RELOADED)
            self.trace.append(reloaded)
        driver.life = lives
        self._restore(driver)

    def _restore(self, driver: Driver) -> None:
        """Pass the messages to a client that its earlier life saved."""
        if self._persists:
            for message in self._store.restore(driver.client.number):
                driver.feed(Restored(message))


#: What faults do to the clients themselves, in every engine.
_TO_CLIENTS: dict[tuple[FaultKind, bool], Callable[[World, Driver], None]] = {
    (FaultKind.CLIENT_SLEEP, True): World._freeze,
    (FaultKind.CLIENT_SLEEP, False): World._thaw,
    (FaultKind.CLIENT_THROTTLE, True): World._throttle,
    (FaultKind.CLIENT_THROTTLE, False): World._throttle,
    (FaultKind.CLIENT_RELOAD, True): World._unload,
    (FaultKind.CLIENT_RELOAD, False): World._reload,
}
#: Messages that one life of a client may number, if there is another after it.
NUMBERS_PER_LIFE = 1 << 20
#: Lives of one client: each has draws at addresses, and messages with numbers, of its own.
MOST_LIVES = (1 << INDEX_BITS) // PER_LIFE


def _check_lives(earlier: int, scenario: Scenario) -> None:
    reloads = sum(fault.kind == FaultKind.CLIENT_RELOAD for fault in scenario.faults)
    if earlier + 1 + reloads > MOST_LIVES:
        rule = f"of a client, with its reloads, are more than {MOST_LIVES:,}, which have draws of "
        rule += "their own: begin a new store, or leave reloads out"
        raise SettingsError("lives", earlier + 1 + reloads, rule)


def _make_numbering_error(client: int, persists: bool) -> SettingsError:
    most = NUMBERS_PER_LIFE if persists else NUMBER_LIMIT
    rule = (
        f"of client {client} in one life are more than {most:,}, which have numbers: play shorter"
    )
    return SettingsError("messages", most + 1, rule)
