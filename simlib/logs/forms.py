"""The forms of access logs: how a line of each says when a request came, and how it was answered.

Sources: nginx, module ngx_http_log_module (``log_format combined``; "$time_local" and the other
variables of the time at which the line is written); HAProxy's configuration manual, "HTTP log
format" (``option httplog``); AWS, "Access logs for your Application Load Balancer", with
``request_creation_time``, since ``time`` is when a response was generated, and of a WebSocket when
it was closed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from simlib.logs.moments import parse_common_log, parse_iso

#: The status of a WebSocket that was opened.
SWITCHED = 101


class LogLine(NamedTuple):
    """A line of a log: a request."""

    #: When it came; of some logs, when it was over.
    time_s: float
    #: Its HTTP status; 0: no answer.
    status: int
    #: What was asked for, as "GET /chat?room=1 HTTP/1.1" or as a URL.
    request: str = ""
    #: Whether the time is that of its end, and its beginning is not known.
    is_end: bool = False
    #: Whether the log says that it was a WebSocket.
    is_websocket: bool = False
    #: Whether the time is a date, and no mere number.
    is_dated: bool = True


class Form(NamedTuple):
    """A form of logs."""

    name: str
    #: What a line must be, in words.
    rule: str
    #: Returns what a line says; None: it is none of this form.
    parse: Callable[[str], LogLine | None]


_NGINX = re.compile(
    r'\S+ \S+ [^\[]*\[([^\]]+)\] "((?:[^"\\]|\\.)*)" (\d{3}) (?:\d+|-)(?: ".*)?', re.DOTALL
)
_HAPROXY = re.compile(
    r"(?<!\S)\S+:\d+ \[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d\.\d+)\] \S+ [^\s/]+/\S+ "
    r"-?\d+(?:/-?\d+){3}/\+?-?\d+ (-?\d{1,3}) \+?\d+ \S+ \S+ \S{4} .*?"
    r'(?:"([^"]*)"?)?$'
)
_ALB = re.compile(
    r'(https?|h2|grpcs|wss?) \S+ \S+ \S+ \S+ \S+ \S+ \S+ (\d{3}|-) \S+ \S+ \S+ "([^"]*)" '
    r'"(?:[^"\\]|\\.)*" \S+ \S+ \S+ "[^"]*" "[^"]*" "[^"]*" \S+ (\d{4}-[\d:.TZ+-]+)'
)


def _parse_nginx(line: str) -> LogLine | None:
    found = _NGINX.match(line)
    if found is None:
        return None
    status = int(found[3])
    # The line is written when the request ends: soon, unless it became a WebSocket.
    return LogLine(parse_common_log(found[1]), status, found[2], is_end=status == SWITCHED)


def _parse_haproxy(line: str) -> LogLine | None:
    found = _HAPROXY.search(line)
    if found is None:
        return None
    return LogLine(parse_common_log(found[1]), max(0, int(found[2])), found[3] or "")


def _parse_alb(line: str) -> LogLine | None:
    found = _ALB.match(line)
    if found is None:
        return None
    status = 0 if found[2] == "-" else int(found[2])
    return LogLine(parse_iso(found[4]), status, found[3], is_websocket=found[1].startswith("ws"))


FORMS = (
    Form("nginx", "must be a line of nginx's format combined", _parse_nginx),
    Form("HAProxy", "must be a line of HAProxy's HTTP log format", _parse_haproxy),
    Form("AWS ALB", "must be an entry of an access log of an AWS ALB", _parse_alb),
)


def path_of(request: str) -> tuple[str, str]:
    """Return the path that was asked for, and its query.

    Examples
    --------
    >>> path_of("GET https://host:443/chat?room=1 HTTP/1.1"), path_of("wss://host/chat")
    (('/chat', 'room=1'), ('/chat', ''))
    """
    words = request.split(" ")
    target = words[1] if len(words) > 1 else words[0]
    if "://" in target:
        _, slash, rest = target.partition("://")[2].partition("/")
        target = slash + rest
    path, _, query = target.partition("?")
    return path, query


def is_polling(query: str) -> bool:
    """Whether a request is one of Engine.IO's HTTP polls, which share the path of its WebSocket."""
    return "transport=polling" in query
