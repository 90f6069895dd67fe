"""Attempts out of real files: what is read, what is left out, what is refused."""

import gzip
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

import simlib as sl
from simlib.core.errors import FileError

NGINX = '10.0.0.{n} - - [31/Jan/2026:10:00:{s:02d} +0000] "GET {path} HTTP/1.1" {status} 12 "-" "A"'
HAPROXY = (
    "Jan 31 10:00:00 lb haproxy[14389]: 10.0.1.2:33317 [31/Jan/2026:10:00:{s:02d}.655] http-in "
    "static/srv1 10/0/30/69/109 {status} 2750 - - ---- 1/1/1/1/0 0/0 {{1wt.eu}} {{}} "
    '"GET /ws HTTP/1.1"'
)
ALB = (
    "{kind} 2026-01-31T10:09:59.000000Z app/my-lb/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 "
    '0.086 0.048 0.037 {status} {status} 0 57 "GET https://example.com:443/ws?room=1 HTTP/1.1" '
    '"curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 '
    "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "
    '"Root=1-58337281-1d84f3d73c47ec4e58577259" "example.com" "-" 1 '
    '2026-01-31T10:00:{s:02d}.250000Z "forward" "-" "-" "10.0.0.1:80" "{status}" "-" "-"'
)


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def nginx(s: int, status: int, path: str = "/ws") -> str:
    return NGINX.format(n=s % 250, s=s, status=status, path=path)


def entry(s: float, status: int = 101, url: str = "wss://example.com/ws", **more) -> dict:
    start = datetime.fromtimestamp(1_769_853_600 + s, UTC).isoformat().replace("+00:00", "Z")
    request = {"method": "GET", "url": url, "headers": [{"name": "Cookie", "value": '{"a\\":"['}]}
    response = {"status": status, "statusText": "", "content": {"size": 0, "text": ']}\\" é'}}
    return {"startedDateTime": start, "time": 12.5, "request": request, "response": response} | more


def write_har(path: Path, entries: list[dict]) -> Path:
    log = {"version": "1.2", "creator": {"name": "WebInspector"}, "pages": [{"id": "[{"}]}
    path.write_text(json.dumps({"log": log | {"entries": entries}}, indent=1), encoding="utf-8")
    return path


def messages(count: int) -> list[dict]:
    shared = {"type": "receive", "time": 1_769_853_601.5, "opcode": 1}
    return [shared | {"data": f'{{"n": "{n}", "x": [[]]}}'} for n in range(count)]


# --- what is read ------------------------------------------------------------------------


def test_nginx_tells_when_requests_failed_and_when_connections_ended(tmp_path):
    lines = [nginx(7, 503), nginx(5, 502), nginx(9, 101), nginx(6, 200, "/index.html")]
    seen = sl.read_attempts(write(tmp_path / "access.log", lines))
    assert ("nginx", 1_769_853_605.0, True) == (seen.form, seen.begin_s, seen.is_dated)
    assert ([0.0, 2.0], [502, 503]) == (seen.times_s.tolist(), seen.statuses.tolist())
    assert [4.0] == seen.ended_s.tolist()
    assert "Left out: 1 request not to /ws." in seen.notes
    assert "nginx writes these when a connection ends" in seen.notes[-1]


def test_the_time_zone_of_a_log_counts(tmp_path):
    lines = [nginx(5, 503), nginx(5, 503).replace("10:00:05 +0000", "11:00:06 +0100")]
    lines += [nginx(5, 503).replace("10:00:05 +0000", "04:30:07 -0530")]
    seen = sl.read_attempts(write(tmp_path / "access.log", lines))
    assert [0.0, 1.0, 2.0] == seen.times_s.tolist()


def test_where_the_duration_is_named_a_websocket_has_its_beginning(tmp_path):
    lines = [f"{nginx(9, 101)} 4.500", f"{nginx(9, 503)} 0.000"]
    columns = {"time": 4, "request": 5, "status": 6, "duration_s": 10}
    seen = sl.read_attempts(write(tmp_path / "access.log", lines), columns=columns)
    assert ([0.0, 4.5], [101, 503]) == (seen.times_s.tolist(), seen.statuses.tolist())
    assert 0 == len(seen.ended_s)


def test_without_any_websocket_all_requests_count_unless_the_endpoint_is_named(tmp_path):
    file = write(tmp_path / "access.log", [nginx(5, 502), nginx(6, 502, "/other?x=1")])
    assert 2 == len(sl.read_attempts(file).times_s)
    seen = sl.read_attempts(file, endpoint="/other")
    assert [1_769_853_606.0] == [seen.begin_s]
    assert (1, ("Left out: 1 request not to /other.",)) == (len(seen.times_s), seen.notes)


def test_polls_of_engine_io_are_no_attempts(tmp_path):
    io = "/socket.io/?EIO=4&transport="
    lines = [nginx(5, 200, f"{io}polling"), nginx(6, 502, f"{io}websocket")]
    seen = sl.read_attempts(write(tmp_path / "access.log", lines))
    assert ([502], ("Left out: 1 poll of Engine.IO.",)) == (seen.statuses.tolist(), seen.notes)


def test_haproxy_tells_when_requests_came_to_the_millisecond(tmp_path):
    lines = [HAPROXY.format(s=4, status=101), HAPROXY.format(s=3, status=503)]
    lines += [HAPROXY.format(s=5, status=-1), "Jan 31 10:00:00 lb haproxy[1]: Server b/s1 is DOWN"]
    seen = sl.read_attempts(write(tmp_path / "haproxy.log", lines))
    assert ("HAProxy", [503, 101, 0]) == (seen.form, seen.statuses.tolist())
    assert [0.0, 1.0, 2.0] == seen.times_s.tolist()
    assert 1_769_853_603.655 == seen.begin_s
    assert f"1 of 4 rows could not be read, the first is row 4 of {tmp_path}" in seen.notes[0]


def test_a_balancer_of_aws_tells_when_requests_came_not_when_they_ended(tmp_path):
    lines = [ALB.format(kind="wss", s=2, status=101), ALB.format(kind="https", s=1, status=503)]
    lines += [ALB.format(kind="https", s=0, status=200).replace("/ws?room=1", "/index.html")]
    seen = sl.read_attempts(write(tmp_path / "alb.log", lines))
    assert ("AWS ALB", [0.0, 1.0], [503, 101]) == (
        seen.form, seen.times_s.tolist(), seen.statuses.tolist()
    )  # fmt: skip
    assert 1_769_853_601.25 == seen.begin_s


def test_a_har_tells_of_websockets_failed_ones_too(tmp_path):
    entries = [
        entry(0.5, 200, "https://example.com/"),
        entry(1.25, 101, _resourceType="websocket", _webSocketMessages=messages(3)),
        entry(0.75, 0, _error="net::ERR_CONNECTION_REFUSED"),
    ]
    seen = sl.read_attempts(write_har(tmp_path / "page.har", entries))
    assert ("HAR", [0.0, 0.5], [0, 101]) == (
        seen.form, seen.times_s.tolist(), seen.statuses.tolist()
    )  # fmt: skip
    assert 1_769_853_600.75 == seen.begin_s
    assert (
        "The connections carried 3 messages.",
        "Left out: 1 request not of WebSockets.",
    ) == seen.notes


def test_a_har_is_read_alike_wherever_its_pieces_end(tmp_path, monkeypatch):
    statuses = [101, 503, 101, 0, 101]
    entries = [entry(n / 4, s, _webSocketMessages=messages(n)) for n, s in enumerate(statuses)]
    file = write_har(tmp_path / "page.har", entries)
    whole = sl.read_attempts(file)
    for size in (1, 2, 3, 7, 64, 1000):
        monkeypatch.setattr("simlib.logs.har._CHUNK_BYTES", size)
        again = sl.read_attempts(file)
        assert whole.times_s.tolist() == again.times_s.tolist()
        assert (whole.statuses.tolist(), whole.notes) == (again.statuses.tolist(), again.notes)


@pytest.mark.parametrize(
    ("text", "times_s", "statuses"),
    [
        ("time_s,status\n3,101\n1.5,503\n", [0.0, 1.5], [503, 101]),
        ("status;connect time [ms]\n101;3000\n503;1500\n", [0.0, 1.5], [503, 101]),
        ("12.5\n10\n", [0.0, 2.5], [0, 0]),
        ("10,503\n12,101\n", [0.0, 2.0], [503, 101]),
        ("t,status\r\n10,failed\r\n12,101 Switching Protocols\r\n", [0.0, 2.0], [0, 101]),
        ("at\n2026-01-31T11:00:00+01:00\n2026-01-31T10:00:01.5Z\n", [0.0, 1.5], [0, 0]),
        ('name,started\n"a, b","2026-01-31 10:00:00"\nc,2026-01-31 10:00:02\n', [0.0, 2.0], [0, 0]),
    ],
)
def test_a_table_of_times_is_read(tmp_path, text, times_s, statuses):
    file = tmp_path / "times.csv"
    file.write_text(text)
    seen = sl.read_attempts(file)
    assert ("CSV", times_s, statuses) == (seen.form, seen.times_s.tolist(), seen.statuses.tolist())


@pytest.mark.parametrize("fraction", [".1e5", ".1_0", ".", ".-5", ".nan"])
def test_a_fraction_of_a_second_has_digits_and_nothing_else(tmp_path, fraction):
    odd = nginx(5, 503).replace(":05 ", f":05{fraction} ")
    seen = sl.read_attempts(write(tmp_path / "access.log", [odd, nginx(6, 502), nginx(7, 502)]))
    assert ([502, 502], [0.0, 1.0]) == (seen.statuses.tolist(), seen.times_s.tolist())
    assert seen.notes[0].startswith("1 of 3 rows could not be read, the first is row 1 of ")


def test_the_columns_of_a_table_can_be_named(tmp_path):
    file = write(tmp_path / "t.csv", ["login_time,ws_time,result", "1,5,503", "2,7,101"])
    seen = sl.read_attempts(file, columns={"time": "ws_time", "status": "result"})
    assert ([0.0, 2.0], [503, 101]) == (seen.times_s.tolist(), seen.statuses.tolist())


def test_a_gzipped_file_is_read_as_it_is(tmp_path):
    file = tmp_path / "access.log.gz"
    file.write_bytes(gzip.compress(f"{nginx(5, 503)}\n{nginx(6, 502)}\n".encode()))
    assert [503, 502] == sl.read_attempts(file).statuses.tolist()
    har = write_har(tmp_path / "page.har", [entry(1.0)])
    har.write_bytes(gzip.compress(har.read_bytes()))
    assert [101] == sl.read_attempts(har).statuses.tolist()


def test_what_was_read_shows_itself_in_words(tmp_path):
    seen = sl.read_attempts(write(tmp_path / "access.log", [nginx(5, 503), nginx(6, 503)]))
    when = "from 2026-01-31 10:00:05 UTC on, over 1 s"
    head = f"2 attempts in {tmp_path / 'access.log'} (nginx), {when}"
    assert [head, "  status  attempts", "  503     2"] == repr(seen).splitlines()


# --- clocks ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "times_s"),
    [
        (None, [3.0, 4.0]),
        ("2026-01-31T10:00:00Z", [5.0, 6.0]),
        ("2026-01-31T11:00:00+01:00", [5.0, 6.0]),
        (datetime(2026, 1, 31, 10, 0, 4, tzinfo=UTC), [1.0, 2.0]),
        (1_769_853_605.5, [-0.5, 0.5]),
    ],
)
def test_attempts_are_put_on_the_clock_of_a_run(tmp_path, start, times_s):
    seen = sl.read_attempts(write(tmp_path / "access.log", [nginx(5, 503), nginx(6, 503)]))
    assert times_s == seen.place(3.0, start).times_s.tolist()


def test_a_file_without_dates_has_a_start_in_its_own_numbers(tmp_path):
    seen = sl.read_attempts(write(tmp_path / "t.csv", ["100", "102"]))
    assert [1.0, 3.0] == seen.place(0.0, "99").times_s.tolist()
    with pytest.raises(sl.SettingsError, match=r"observed_start .* has no dates"):
        seen.place(0.0, "2026-01-31T10:00:00Z")
    with pytest.raises(sl.SettingsError, match='observed_start = "soon": must be a moment'):
        seen.place(0.0, "soon")


@pytest.mark.parametrize("text", ["at_s\n1769853605\n", "time_ms\n1769853605000\n", "1769853605.0"])
def test_numbers_that_are_seconds_since_1970_are_dates(tmp_path, text):
    seen = sl.read_attempts(write(tmp_path / "t.csv", text.splitlines()))
    assert "from 2026-01-31 10:00:05 UTC on" in str(seen)
    assert [5.0] == seen.place(0.0, "2026-01-31T10:00:00Z").times_s.tolist()


def test_a_table_without_statuses_is_not_said_to_hold_attempts_without_an_answer(tmp_path):
    seen = sl.read_attempts(write(tmp_path / "t.csv", ["1.0", "2.0"]))
    assert "not given  2" in str(seen)


def test_an_endpoint_that_nobody_asked_for_is_named(tmp_path):
    file = write(tmp_path / "access.log", [nginx(5, 503)])
    with pytest.raises(FileError, match="no request is to /elsewhere"):
        sl.read_attempts(file, endpoint="/elsewhere")


# --- what is refused ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello\nworld\n", 'row 1 = "hello": must be an access log of nginx'),
        (b"\x00\x01\x02", "row 1: cannot be read: it is not text"),
        (b"\x1f\x8b\x08garbage", "cannot be unpacked"),
        (b"{", "must be a HAR"),
        (b'{"log": {"entries": [{"startedDateTime": "2026', "row 1: must be a HAR.* cut off"),
        (b'{"log": {}}', "it has no log.entries"),
        (b'{"ts": 17.5, "status": 101}\n{"ts": 18.5}\n', "a log in JSON: convert it to a table"),
        (b'{"log": {"entries": []}}', "has no requests$"),
        (b'{"log":\n {"entries": [}]}}', "row 2: must be a HAR"),
        (b"time_ms,time_s\nx,y\n", "rows are not"),
        (b"timestamp\n1769853600000\n", "are these milliseconds"),
    ],
)
def test_garbage_is_refused_in_a_sentence_that_names_the_file(tmp_path, content, words):
    file = tmp_path / "access.log"
    file.write_bytes(content)
    with pytest.raises(FileError, match=words) as refused:
        sl.read_attempts(file)
    assert str(refused.value).startswith(str(file))
    assert "\n" not in str(refused.value)


def test_a_log_that_is_mostly_garbage_is_refused_by_its_first_row(tmp_path):
    lines = [nginx(5, 503), "what", nginx(6, 503), "is", "this", "token=abc"]
    file = write(tmp_path / "access.log", lines)
    with pytest.raises(FileError, match='row 2 = "what": must be a line of nginx') as refused:
        sl.read_attempts(file)
    assert "4 of 6 rows are not" in str(refused.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(FileError, match="cannot be read: No such file"):
        sl.read_attempts(tmp_path / "nothing.log")
    with pytest.raises(FileError, match="cannot be read: Is a directory"):
        sl.read_attempts(tmp_path)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"status": 3}, "must say where the time is"),
        ({"time": 0}, "must be the number of a cell, from 1"),
        ({"when": 1}, "must be one of time, status, duration_s, request"),
        ({"time": "when"}, "is no column of .*: its first row has time, status"),
    ],
)
def test_columns_that_cannot_be_are_refused(tmp_path, columns, words):
    file = write(tmp_path / "t.csv", ["time,status", "1,503"])
    with pytest.raises(sl.SettingsError, match=words):
        sl.read_attempts(file, columns=columns)


# --- large files -------------------------------------------------------------------------


def peak_bytes(file: Path) -> int:
    tracemalloc.start()
    try:
        sl.read_attempts(file, progress=lambda *_: None)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_lines_or_with_messages(tmp_path):
    agent = "x" * 1000
    lines = [nginx(n % 60, 503).replace('"A"', f'"{agent}"') for n in range(12_000)]
    log = write(tmp_path / "access.log", lines)
    # A WebSocket that was open for long holds all of its messages in one entry.
    har = write_har(tmp_path / "page.har", [entry(1.0, _webSocketMessages=messages(90_000))])
    for file, least_bytes in ((log, 12_000_000), (har, 9_000_000)):
        assert least_bytes < file.stat().st_size
        assert peak_bytes(file) < 6_000_000


@pytest.mark.slow
@pytest.mark.parametrize(("attempts", "is_read"), [(5, True), (6, False)])
def test_attempts_are_kept_up_to_a_bound(tmp_path, monkeypatch, attempts, is_read):
    monkeypatch.setattr("simlib.logs.requests.MOST_LOGGED_ATTEMPTS", 5)
    file = tmp_path / "times.csv"
    file.write_text("".join(f"{i},503\n" for i in range(attempts)))
    if is_read:
        assert 5 == len(sl.read_attempts(file).times_s)
    else:
        with pytest.raises(FileError, match="more than 5 attempts"):
            sl.read_attempts(file)


def test_long_paths_are_kept_by_their_beginnings(tmp_path):
    line = '::1 - - [31/Jan/2026:10:00:00 +0000] "GET /{}{} HTTP/1.1" 503 0 "-" "-"\n'
    file = tmp_path / "access.log"
    file.write_text("".join(line.format(i, "\U0001f600" * 15_000) for i in range(200)))
    tracemalloc.start()
    assert 200 == len(sl.read_attempts(file).times_s)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8_000_000  # all of them are 12 MB


def test_a_number_without_end_in_a_har_is_not_read_to_it(tmp_path):
    file = tmp_path / "page.har"
    with gzip.open(file, "wb", compresslevel=1) as packed:
        packed.write(b'{"log":{"entries":[{"request":{"url":')
        for _ in range(30):
            packed.write(b"1" * 1_000_000)
    tracemalloc.start()
    with pytest.raises(FileError, match="is missing"):
        sl.read_attempts(file)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 10_000_000


def test_a_line_without_end_is_one_that_cannot_be_read(tmp_path):
    lines = [nginx(5, 503), "x" * 300_000, nginx(6, 503)]
    seen = sl.read_attempts(write(tmp_path / "access.log", lines))
    assert 2 == len(seen.times_s)
    assert "1 of 3 rows could not be read, the first is row 2" in seen.notes[0]


def test_reading_tells_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("simlib.logs.lines._EVERY", 100)
    moved = []
    file = write(tmp_path / "access.log", [nginx(5, 503)] * 30_000)
    sl.read_attempts(file, progress=moved.append)
    assert moved
    assert moved == sorted(moved)
    assert 0.5 < moved[-1] <= 1.0
