"""What a server remembers of messages: which it has counted, and the updates of each channel."""

from __future__ import annotations

from bisect import bisect_right
from math import inf

from simlib.core import events as ev
from simlib.core.events import Reason

#: Channels that one connection may follow.
MOST_CHANNELS = 100

_Where = tuple[int, int]


class DedupWindow:
    """The message ids of one client that were counted, kept as runs of ids without a gap.

    A client counts its messages, and each of its processes begins at a number of its own: so there
    is a run for each process, and for each message that never comes.
    """

    __slots__ = ("_starts", "_ends")

    def __init__(self) -> None:
        self._starts: list[int] = []
        #: The first id after each run.
        self._ends: list[int] = []

    def __contains__(self, message: int) -> bool:
        i = bisect_right(self._starts, message)
        return i > 0 and message < self._ends[i - 1]

    def add(self, message: int) -> bool:
        """Count a message; False if it was counted before."""
        starts, ends = self._starts, self._ends
        if ends and message == ends[-1]:
            # In order, as nearly all come.
            ends[-1] += 1
            return True
        i = bisect_right(starts, message)
        if i > 0 and message < ends[i - 1]:
            return False
        follows, precedes = i > 0 and ends[i - 1] == message, message + 1 in starts[i : i + 1]
        if follows and precedes:
            del starts[i]
            del ends[i - 1]
        elif follows:
            ends[i - 1] += 1
        elif precedes:
            starts[i] -= 1
        else:
            starts.insert(i, message)
            ends.insert(i, message + 1)
        return True


class ChannelLog:
    """One channel: its newest version, and the versions that can still be sent one by one."""

    __slots__ = ("newest", "oldest", "followers")

    def __init__(self) -> None:
        self.newest = 0
        self.oldest = 1
        #: The connections that follow it, in the order in which they came.
        self.followers: dict[tuple[int, int], None] = {}

    def publish(self, version: int, history: float) -> None:
        """Note a new version and forget the ones beyond the history."""
        if version != self.newest + 1:
            self.oldest = version
        self.newest = version
        if history < inf:
            self.oldest = max(self.oldest, version - int(history) + 1)

    def after(self, version: int) -> range | None:
        """Return the versions after one that was seen; None if some of them are forgotten."""
        if version >= self.newest:
            return range(0)
        return range(version + 1, self.newest + 1) if version + 1 >= self.oldest else None


class ServerChannels:
    """All channels of a server, and which connections follow each."""

    def __init__(self, history: float) -> None:
        self._history = history
        self._logs: dict[int, ChannelLog] = {}
        self._followed: dict[_Where, set[int]] = {}

    def newest(self, channel: int) -> int:
        """Return the newest version of a channel; 0: nothing was published on it."""
        log = self._logs.get(channel)
        return 0 if log is None else log.newest

    def publish(self, channel: int, version: int) -> list[ev.Push]:
        """Note a version, and return what tells the channel's followers."""
        log = self._logs.setdefault(channel, ChannelLog())
        log.publish(version, self._history)
        return [ev.Push(*follower, channel, version) for follower in log.followers]

    def follow(self, where: _Where, channel: int) -> bool:
        """Let a connection follow a channel; return False if it follows too many."""
        followed = self._followed.setdefault(where, set())
        if len(followed) >= MOST_CHANNELS and channel not in followed:
            return False
        followed.add(channel)
        self._logs.setdefault(channel, ChannelLog()).followers[where] = None
        return True

    def unfollow_all(self, where: _Where) -> None:
        """Forget a connection that has ended, and channels that nobody needs any more."""
        for channel in self._followed.pop(where, ()):
            log = self._logs[channel]
            log.followers.pop(where, None)
            if not log.followers and not log.newest:
                del self._logs[channel]

    def find_missing(self, where: _Where, channel: int, version: int, whole: bool) -> list[ev.Push]:
        """Return what brings a follower up to date: each update, or if that is not kept, the last.

        ``whole``: the last stands for all, since nobody will ask for the channel as a whole.
        """
        log = self._logs.get(channel)
        if log is None:
            return []
        versions = log.after(version)
        if versions is not None:
            return [ev.Push(*where, channel, each) for each in versions]
        return [ev.Push(*where, channel, log.newest, Reason.SNAPSHOT if whole else Reason.NONE)]

    def check(self, connections: set[_Where]) -> None:
        """Raise AssertionError where an invariant does not hold."""
        for log in self._logs.values():
            assert log.followers.keys() <= connections
            assert log.newest - log.oldest < self._history
