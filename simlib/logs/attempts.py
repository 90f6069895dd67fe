"""Attempts that were really made: read from a file, and put on the clock of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from simlib.core.card import Card, ShowsCard, count_in_words
from simlib.core.errors import FileError, SettingsError
from simlib.logs.forms import FORMS, Form, LogLine
from simlib.logs.har import Har
from simlib.logs.lines import Source
from simlib.logs.moments import in_words, parse_any, seconds_of
from simlib.logs.requests import Requests, Unreadable
from simlib.logs.table import HEADING, TABLES, check_columns, table_form
from simlib.support.arguments import check_arguments
from simlib.support.progress import Progress, show_progress

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: A form is told by so many lines.
_HEAD = 50
_SHOWN_STATUSES = 6


class Placed(NamedTuple):
    """Attempts on the clock of a run."""

    times_s: npt.NDArray[np.float64]
    ended_s: npt.NDArray[np.float64]
    #: How they got there, in words.
    how: str


@dataclass(frozen=True, repr=False, eq=False)
class ObservedAttempts(ShowsCard):
    """Attempts that were really made, as a log, a browser's HAR or a table holds them.

    Attributes
    ----------
    source : str
        The file.
    form : str
        What it is: nginx, HAProxy, AWS ALB, HAR, CSV or columns.
    times_s : array of float
        When each attempt was made, ascending, in seconds since ``begin_s``.
    statuses : array of int
        The HTTP status of each, 101 if it was opened; 0: no answer, or not known.
    ended_s : array of float
        When connections ended of which the file does not say when they were tried, as nginx's logs
        do not.
    begin_s : float
        The first moment in the file: seconds since 1970 (UTC), or as the file's numbers count.
    is_dated : bool
        Whether the file has dates, or numbers that are seconds since 1970.
    notes : tuple of str
        What was left out, and why.

    Examples
    --------
    >>> import numpy as np
    >>> times_s, statuses = np.array([0.0, 1.5]), np.array([503, 101])
    >>> ObservedAttempts("t.csv", "CSV", times_s, statuses, times_s[:0], 0.0, is_dated=False)
    2 attempts in t.csv (CSV), from 0 s on, over 1.5 s
      status  attempts
      503     1
      101     1
    """

    source: str
    form: str
    times_s: npt.NDArray[np.float64]
    statuses: npt.NDArray[np.int16]
    ended_s: npt.NDArray[np.float64]
    begin_s: float
    is_dated: bool
    notes: tuple[str, ...] = ()

    @property
    def last_s(self) -> float:
        """The last moment, in seconds since ``begin_s``."""
        return max(float(times[-1]) for times in (self.times_s, self.ended_s) if len(times))

    def card(self) -> Card:
        """Return what is shown: how many attempts, when, how they were answered."""
        begin = in_words(self.begin_s) if self.is_dated else f"{self.begin_s:g} s"
        head = count_in_words(len(self.times_s), "attempt")
        title = f"{head} in {self.source} ({self.form}), from {begin} on, over {self.last_s:.6g} s"
        counts = Counter(self.statuses.tolist())
        common = counts.most_common(_SHOWN_STATUSES)
        # A table may have no column of statuses.
        none = "not given" if self.form in TABLES else "no answer"
        rows = tuple((str(status or none), f"{count:,}") for status, count in common)
        if others := counts.total() - sum(count for _, count in common):
            rows += (("others", f"{others:,}"),)
        return Card(title, rows, ("status", "attempts") if rows else (), self.notes)

    @check_arguments
    def place(self, first_s: float, start: str | float | datetime | None = None) -> Placed:
        r"""Return the attempts on the clock of a run.

        Parameters
        ----------
        first_s : float
            When the run's first attempt is made; the first of the file is put there, unless
            ``start`` says otherwise.
        start : str, float or datetime, optional
            The moment in the file's clock at which the run begins.

        Raises
        ------
        SettingsError
            If the start is no moment of this file's clock.

        Examples
        --------
        >>> from tempfile import mkdtemp
        >>> file = Path(mkdtemp()) / "times.csv"
        >>> _ = file.write_text("time_s,status\n100,503\n101.5,101\n")
        >>> read_attempts(file).place(2.0).times_s.tolist()
        [2.0, 3.5]
        """
        if start is None:
            where_s, how = first_s, f"its first attempt is put at the run's first, {first_s:.3g} s"
            if not len(self.times_s):
                how = how.replace("its first attempt", "its first line", 1)
        else:
            start_s = self._start_s(start)
            where_s = self.begin_s - start_s
            how = f"0 s is {in_words(start_s) if self.is_dated else f'its {start_s:g} s'}"
        return Placed(self.times_s + where_s, self.ended_s + where_s, how)

    def _start_s(self, start: str | float | datetime) -> float:
        if isinstance(start, datetime):
            start_s, is_dated = seconds_of(start), True
        elif not isinstance(start, str):
            return float(start)
        else:
            try:
                start_s, is_dated = parse_any(start)
            except ValueError as error:
                rule = "must be a moment, as 2026-01-31T10:00:00Z, or a number of seconds"
                raise SettingsError("observed_start", start, rule) from error
        if is_dated and not self.is_dated:
            rule = f"must be a number of seconds: {self.source} has no dates"
            raise SettingsError("observed_start", str(start), rule)
        return start_s


@check_arguments
def read_attempts(
    file: str | Path,
    *,
    columns: Mapping[str, int | str] | None = None,
    endpoint: str | None = None,
    progress: Progress | None = None,
) -> ObservedAttempts:
    r"""Read the attempts in an access log, a browser's HAR or a table, to be drawn over a run.

    What the file is, is found out: a log of nginx (``combined``), HAProxy (``option httplog``) or
    an AWS ALB, a HAR, or a table with a column of times; gzipped or not. Of a log those requests
    count that ask for a path which was answered with 101 at least once, or all if none was. The
    file is read a line at a time; some 15 bytes are kept of each request.

    Parameters
    ----------
    file : path
        The file.
    columns : mapping, optional
        Where lines of any other form have what is needed, by cell, counted from 1 (what stands in
        quotes or brackets is one), or by the name of a table's column: ``time``, and perhaps
        ``status``, ``duration_s`` (then the time is that of the end) and ``request``.
    endpoint : str, optional
        The path of the WebSocket, such as ``/chat``, to count the requests to it alone.
    progress : callable, optional
        Called with the fraction done; by default a bar, in a terminal and in a notebook.

    Returns
    -------
    ObservedAttempts
        Times and statuses; prints itself with what was left out.

    Raises
    ------
    SettingsError
        If the file cannot be read, or has no attempts: names file, row and what was expected.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> log = '::1 - - [31/Jan/2026:10:00:00 +0000] "GET /ws HTTP/1.1" 503 0 "-" "-"\n'
    >>> file = Path(mkdtemp()) / "access.log"
    >>> _ = file.write_text(log)
    >>> seen = read_attempts(file)
    >>> seen.form, seen.times_s.tolist(), seen.statuses.tolist()
    ('nginx', [0.0], [503])
    """
    check_columns(columns)
    with show_progress(progress, f"reading {Path(file).name}") as move:
        source = Source(file, move)
        if columns is None and _begins_with_brace(source):
            return _read_har(source)
        return _read_lines(source, _find_form(source, columns), endpoint)


def _begins_with_brace(source: Source) -> bool:
    with source.open() as (stream, _):
        return bytes(stream.read(64)).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def _find_form(source: Source, columns: Mapping[str, int | str] | None) -> Form:
    """Return the form of a file by its first lines."""
    head = [
        line for _, line in zip(range(_HEAD), (line for _, line in source.lines()), strict=False)
    ]
    if not head:
        raise FileError(source.path, "is empty: it must have an attempt in each line")
    if columns is None:
        fits = {form: sum(_parse(form, line) is not None for line in head) for form in FORMS}
        best = max(FORMS, key=lambda form: fits[form])
        if fits[best]:
            return best
    return table_form(str(source.path), head[0], columns)


def _parse(form: Form, line: str) -> LogLine | None:
    try:
        return form.parse(line)
    except FileError:
        raise
    except ValueError:
        return None


# --- what is kept ------------------------------------------------------------------------


def _read_lines(source: Source, form: Form, endpoint: str | None) -> ObservedAttempts:
    requests = Requests(endpoint, source)
    unreadable = Unreadable(source, form)
    for number, text in source.lines():
        line = _parse(form, text)
        if line is HEADING:
            continue
        if line is None:
            unreadable.add(number, text)
        else:
            requests.add(line)
    notes = unreadable.judge(len(requests.times_s) + requests.polls + requests.elsewhere)
    notes += [*source.describe_cut(), *requests.describe_others()]
    return _observe_requests(source, form.name, requests, notes, endpoint)


def _observe_requests(
    source: Source, form: str, requests: Requests, notes: list[str], endpoint: str | None = None
) -> ObservedAttempts:
    import numpy as np

    chosen = requests.of_websockets()
    left_out = int((~chosen).sum()) + requests.elsewhere
    if left_out:
        where = requests.describe_paths()
        notes.append(f"Left out: {count_in_words(left_out, 'request')} not to {where}.")
    if requests.polls:
        notes.append(f"Left out: {count_in_words(requests.polls, 'poll')} of Engine.IO.")
    times_s = np.array(requests.times_s)[chosen]
    if not times_s.size:
        where = endpoint or "a WebSocket"
        raise FileError(source.path, f"has no attempt: no request is to {where}")
    are_ends = np.array(requests.are_ends, bool)[chosen]
    if are_ends.any():
        rows = count_in_words(int(are_ends.sum()), "row")
        notes.append(
            f"Status 101 is in {rows}: nginx writes these when a connection ends, so when it was "
            "tried is not known. Log $request_time too, and name the columns, with duration_s for "
            "its cell."
        )
    begin_s = float(np.min(times_s if are_ends.all() else times_s[~are_ends]))
    tried = np.argsort(times_s[~are_ends], kind="stable")
    return ObservedAttempts(
        str(source.path),
        form,
        times_s[~are_ends][tried] - begin_s,
        np.array(requests.statuses)[chosen][~are_ends][tried],
        np.sort(times_s[are_ends]) - begin_s,
        begin_s,
        requests.is_dated,
        tuple(notes),
    )


def _read_har(source: Source) -> ObservedAttempts:
    har, requests = Har(source), Requests(None, source)
    for line in har.websockets():
        requests.add(line._replace(request=""))
    if not requests.times_s:
        rule = f"has {count_in_words(har.requests, 'request')}"
        rule += ", and none of a WebSocket" if har.requests else ""
        raise FileError(source.path, rule)
    notes = list(_har_notes(har, len(requests.times_s), source))
    return _observe_requests(source, "HAR", requests, notes)


def _har_notes(har: Har, attempts: int, source: Source) -> Iterator[str]:
    if har.messages:
        yield f"The connections carried {count_in_words(har.messages, 'message')}."
    if others := har.requests - attempts - har.unreadable:
        yield f"Left out: {count_in_words(others, 'request')} not of WebSockets."
    if har.unreadable:
        row = f"row {har.unreadable_row:,} of {source.path}"
        yield f"Entries that could not be read: {har.unreadable:,}, the first before {row}."
