"""Which client an attempt is taken for."""

from simlib.lab.observe.identity import ObservedClients
from simlib.lab.observe.observation import Attempt


def attempt(at_s, ended_s=None):
    each = Attempt(0, "status", "503", 0, "", at_s)
    each.ended_s = at_s if ended_s is None else ended_s
    return each


def came(guests, at_s, host="h", seat=0):
    guest = guests.take(seat, host)
    each = attempt(at_s)
    guest.came(each)
    return guest, each


def test_whoever_comes_while_the_other_is_there_is_another_client():
    guests = ObservedClients(own_seats=False)
    first, held = came(guests, 0.0)
    second, _ = came(guests, 1.0)
    assert (0, 1) == (first.number, second.number)
    first.note_end(held, 0)
    assert first is came(guests, 2.0)[0], "the second is still there"


def test_of_those_that_are_away_the_one_that_was_longest_came_back():
    guests = ObservedClients(own_seats=False)
    (a, first), (b, second) = came(guests, 0.0), came(guests, 0.1)
    b.note_end(second, 0)
    second.ended_s, first.ended_s = 1.0, 2.0
    b.last_ended_s = 1.0
    a.note_end(first, 0)
    assert b is guests.take(0, "h")


def test_hosts_are_told_apart_and_seats_too():
    guests = ObservedClients(own_seats=False)
    one, held = came(guests, 0.0, host="one")
    one.note_end(held, 0)
    assert 1 == guests.take(0, "other").number
    own = ObservedClients(own_seats=True)
    assert [0, 1, 0] == [own.take(seat, "h").number for seat in (0, 1, 0)]


def test_the_wait_is_from_the_end_to_the_next_attempt():
    guest, first = came(ObservedClients(own_seats=True), 1.0)
    first.ended_s = 3.0
    guest.note_end(first, 0)
    assert 2.5 == guest.came(attempt(5.5))
    assert (2, 1, 2.5) == (guest.attempts, guest.ended, guest.longest_wait_s)


def test_who_could_not_be_seen_is_not_gone():
    guest, held = came(ObservedClients(own_seats=True), 0.0)
    held.ended_s = 0.0
    guest.note_end(held, 0)
    guest.longest_wait_s = 1.0
    assert guest.is_quiet(20.0)
    guest.unseen_until_s = 19.0
    assert not guest.is_quiet(20.0)
