"""Tables of measurements as others write them: read rightly, or refused by file and row."""

import numpy as np
import pytest

import simlib as sl
from simlib.scenario.measurements import read_messages, read_round_trips

#: Round trips of 30 to 69 ms, in seconds.
VALUES_S = [0.03 + 0.001 * i for i in range(40)]


def written(folder, content):
    file = folder / "pings.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def in_unit(factor: float, heading: str = "", end: str = "\n") -> str:
    rows = [f"{value * factor:.6g}" for value in VALUES_S]
    return end.join([heading, *rows] if heading else rows) + end


# --- units -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "factor"),
    [
        ("rtt_s", 1),
        ("rtt", 1),
        ("", 1),
        ("Round trip (seconds)", 1),
        ("client's rtt", 1),
        ("rtt_ms", 1e3),
        ("latency (ms)", 1e3),
        ("Latency[ms]", 1e3),
        ("rttMs", 1e3),
        ("RTT MSEC", 1e3),
        ("ms", 1e3),
        ("round-trip time in milliseconds", 1e3),
        ("# ping to example.org, ms", 1e3),
        ("time_us", 1e6),
        ("time (\u00b5s)", 1e6),
        ("time (\u03bcs)", 1e6),
        ("latency_ns", 1e9),
    ],
)
def test_a_heading_says_the_unit(tmp_path, heading, factor):
    text = f'"{heading}"\n' + in_unit(factor) if "," in heading else in_unit(factor, heading)
    found = read_round_trips(written(tmp_path, text))
    np.testing.assert_allclose(found.values_s, VALUES_S, rtol=1e-5)


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 1e3), ("us", 1e6)])
@pytest.mark.parametrize("heading", ["", "rtt"])
def test_the_caller_says_the_unit(tmp_path, unit, factor, heading):
    file = written(tmp_path, in_unit(factor, heading))
    np.testing.assert_allclose(read_round_trips(file, unit).values_s, VALUES_S, rtol=1e-5)


def test_a_cell_says_its_unit(tmp_path):
    cells = ["30 ms", "40ms", "0.05 s", "60000 us"] * 10
    found = read_round_trips(written(tmp_path, "\n".join(cells)))
    assert [0.03, 0.04, 0.05, 0.06] == pytest.approx(sorted(set(found.values_s.round(9))))


def test_seconds_that_are_long_are_taken_if_the_unit_is_said(tmp_path):
    assert 3.0 == read_round_trips(written(tmp_path, "rtt_s\n" + "3\n" * 20)).values_s[0]
    assert 3.0 == read_round_trips(written(tmp_path, "3\n" * 20), "s").values_s[0]


@pytest.mark.parametrize(
    ("text", "unit", "wrong"),
    [
        ("3.4\n" * 20, None, "has a median of 3.4 and names no unit: are these milliseconds?"),
        ("rtt\n" + "3.4\n" * 20, None, "Write the unit into the heading, as rtt_ms, or say it"),
        ("rtt_ms\n" + "3.4\n" * 20, "s", 'unit = "s": contradicts the heading "rtt_ms" of'),
        ("rtt_ms_or_s\n" + "3.4\n" * 20, None, "must name one of the units s, ms, us, ns"),
        ("rtt (minutes)\n" + "3.4\n" * 20, None, "must name one of the units s, ms, us, ns"),
        ("3.4\n" * 20, "minutes", 'unit = "minutes": must be one of s, ms, us'),
        ("0.03\n" + "40 ms\n" * 20, None, 'row 1 = "0.03": must have a unit, as other rows have'),
        ("40 ms\n" + "40 furlongs\n" * 20, None, 'row 2 = "40 furlongs": must be a number'),
    ],
)
def test_a_unit_that_is_not_known_is_never_guessed(tmp_path, text, unit, wrong):
    with pytest.raises(sl.SettingsError) as error:
        read_round_trips(written(tmp_path, text), unit)
    assert wrong in str(error.value)


# --- how others write --------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_encoding_and_end_of_line_is_read(tmp_path, encoding, end):
    content = in_unit(1e6, "time (\u00b5s)", end).encode(encoding)
    np.testing.assert_allclose(
        read_round_trips(written(tmp_path, content)).values_s, VALUES_S, rtol=1e-5
    )


def test_latin_1_is_read(tmp_path):
    content = in_unit(1e6, "Zeit (\u00b5s)").encode("latin-1")
    assert VALUES_S[0] == pytest.approx(read_round_trips(written(tmp_path, content)).values_s[0])


@pytest.mark.parametrize(
    ("heading", "row"),
    [
        ("rtt_ms", "{}"),
        ("rtt_ms;", "{};"),
        ("host;rtt_ms", "example.org;{}"),
        ("host\trtt_ms", "example.org\t{}"),
        ('host,"rtt_ms"', 'example.org,"{}"'),
    ],
)
def test_a_decimal_comma_is_read(tmp_path, heading, row):
    cells = [row.format(f"{1000 * value:.1f}".replace(".", ",")) for value in VALUES_S]
    found = read_round_trips(written(tmp_path, "\n".join([heading, *cells])))
    np.testing.assert_allclose(found.values_s, VALUES_S, rtol=1e-5)


def test_the_column_that_is_read_is_told(tmp_path):
    rows = [f"{i},example.org,{value}" for i, value in enumerate(VALUES_S)]
    found = read_round_trips(written(tmp_path, "\n".join(["seq,host,rtt_s", *rows])))
    assert ('Of 3 columns, "rtt_s" is read.',) == found.notes


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("0,05\n" * 20, 'first row = "0,05": must have one column, of round trips, or one with'),
        ("a,b\n" + "1,2\n" * 20, "must have one column"),
        ("rtt,ping\n" + "1,2\n" * 20, "must have one column"),
        ("rtt_ms\n" + "30\n" * 20 + "30,5,7\n", "row 22: must have 1 cells, as the rows before"),
        ("rtt_ms;\n" + "30,5;\n" * 20 + "30.5;\n", 'row 22 = "30.5": must have a decimal comma'),
        ("rtt_us\n" + '"1,234"\n' * 20, 'row 2 = "1,234": may be thousands or decimals'),
        (b"PAR1\x00\x01", "cannot be read: it is not text"),
        (b"\x89PNG\r\n\x1a\n", "cannot be read: it is not text"),
    ],
)
def test_what_may_be_misread_is_refused(tmp_path, text, wrong):
    file = written(tmp_path, text)
    with pytest.raises(sl.SettingsError) as error:
        read_round_trips(file)
    assert str(error.value).startswith(f"{file}: {wrong}") or wrong in str(error.value)


# --- headings, lost pings, empty files ---------------------------------------------------

LOST = ["timeout", "Timed out", "request timed out", "lost", "-", "*", "n/a", "no answer", '""']


@pytest.mark.parametrize("word", LOST)
@pytest.mark.parametrize("place", [1, 7])
def test_lost_pings_are_counted_and_are_no_heading(tmp_path, word, place):
    rows = ["0.05"] * 40
    rows[place:place] = [word] * 10
    found = read_round_trips(written(tmp_path, "\n".join(["rtt;ok", *(f"{x};1" for x in rows)])))
    assert (10, 40) == (found.lost, len(found.values_s))
    headless = read_round_trips(written(tmp_path, "\n".join(rows[place:] + rows[:place])))
    assert (0 if word == '""' else 10) == headless.lost


def test_the_first_row_is_a_measurement_if_it_may_be_one(tmp_path):
    assert 21 == len(read_round_trips(written(tmp_path, "30.5 ms\n" * 21)).values_s)
    assert 1 == read_round_trips(written(tmp_path, "timeout\n" + "0.05\n" * 20)).lost
    with pytest.raises(sl.SettingsError, match='row 1 = "-5"'):
        read_round_trips(written(tmp_path, "-5\n" + "0.05\n" * 20))
    with pytest.raises(sl.SettingsError, match='row 1 = "nan"'):
        read_round_trips(written(tmp_path, "nan\n" + "0.05\n" * 20))


def test_empty_rows_are_told(tmp_path):
    found = read_round_trips(written(tmp_path, "\n\nrtt_s\n" + "0.05\n" * 20 + "\n0.05\n\n\n"))
    assert (21, 0, "1 empty rows are left out.") == (
        len(found.values_s), found.lost, found.notes[0])  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty: must have at least 20 round trips"),
        ("\n \n", "is empty: must have at least 20 round trips"),
        ("rtt_ms\n", "has a heading and no rows: must have at least 20 round trips"),
        ("rtt_ms\n30\n", "has 1 round trip: must have at least 20 round trips"),
        ("0.03", "has 1 round trip: must have at least 20 round trips"),
        ("timeout\n" * 30, "has 0 round trips, and 30 lost: must have at least 20 round trips"),
        (b"\xff\xfe", "is empty"),
    ],
)
def test_a_file_with_too_little_is_said_as_such(tmp_path, text, said):
    file = written(tmp_path, text)
    with pytest.raises(sl.SettingsError) as error:
        read_round_trips(file)
    assert str(error.value).startswith(f"{file}: {said}")
    scenario = tmp_path / "mine.toml"
    scenario.write_text('[path.latency]\ncsv = "pings.csv"\n')
    with pytest.raises(sl.SettingsError) as error:
        sl.load(scenario)
    assert str(error.value).startswith(f"{file}: {said}")


# --- ping --------------------------------------------------------------------------------

LINUX = "64 bytes from 192.0.2.1: icmp_seq={} ttl=58 time={} ms\n"
WINDOWS = "Reply from 192.0.2.1: bytes=32 time={}ms TTL=58\n"


def test_ping_s_own_output_is_read_and_its_lost_ones_are_counted(tmp_path):
    lines = [LINUX.format(i, 12.3) for i in range(1, 31) if i not in {4, 5, 20}]
    head = "PING example.org (192.0.2.1) 56(84) bytes of data.\n"
    file = written(tmp_path, head + "".join(lines) + lines[0].replace("ms", "ms (DUP!)"))
    found = read_round_trips(file)
    assert (27, 3) == (len(found.values_s), found.lost)
    assert 0.0123 == pytest.approx(found.values_s[0])
    end = "\n32 packets transmitted, 27 received, 15% packet loss, time 30045ms\n"
    end += "rtt min/avg/max/mdev = 12.300/12.300/12.300/0.000 ms\n"
    again = read_round_trips(written(tmp_path, head + "".join(lines) + end))
    assert (27, 5) == (len(again.values_s), again.lost)


def test_numbers_that_begin_anew_are_not_lost_pings(tmp_path):
    lines = [LINUX.format(i % 65536, 1.5) for i in range(65500, 65600) if i != 65540]
    assert 1 == read_round_trips(written(tmp_path, "".join(lines))).lost


def test_the_output_of_ping_on_windows_is_read(tmp_path):
    lines = WINDOWS.format("=12").replace("time==", "time=") * 20 + "Request timed out.\n" * 2
    lines = lines.replace("time=time", "time") + WINDOWS.replace("={}", "<1")
    found = read_round_trips(written(tmp_path, lines))
    assert (21, 2, 0.0) == (len(found.values_s), found.lost, found.values_s[0])
    assert "1 round trips below the step of ping's clock are taken as 0." in found.notes
    end = "    Packets: Sent = 25, Received = 21, Lost = 4 (16% loss),\n"
    assert 4 == read_round_trips(written(tmp_path, lines + end)).lost
    german = lines.replace("Reply from", "Antwort von").replace("time", "Zeit")
    assert 21 == len(read_round_trips(written(tmp_path, german)).values_s)


# --- recorded messages -------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "time_s,priority,size_bytes\n0.5,high,300\n",
        "0.5,high,300\n",
        "0,5;HIGH;300\n",
        "size_bytes\tpriority\ttime_ms\n300\thigh\t500\n",
        "timestamp (us);priority;size\n500000;high;300\n",
    ],
)
def test_messages_are_read_as_others_write_them(tmp_path, text):
    assert [[0.5, "high", 300]] == read_messages(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty: must have recorded messages"),
        ("time_s,priority,size_bytes\n", "has a heading and no rows: must have recorded"),
        ("0.5,high\n", 'row 1 = "0.5,high": must be a time'),
        ("0,low,100\n1,urgent,100\n", 'row 2 = "1,urgent,100": must be a time'),
        ("0,low,100\nsoon,low,100\n", 'row 2 = "soon,low,100": must be a time'),
        ("x,high,200\n", 'row 1 = "x,high,200": must be a time'),
        ("time,prio,size_kb\n0,low,1\n", 'heading = "size_kb": must be in bytes'),
    ],
)
def test_what_is_no_message_is_refused_by_file_and_row(tmp_path, text, said):
    file = written(tmp_path, text)
    with pytest.raises(sl.SettingsError) as error:
        read_messages(file)
    assert str(error.value).startswith(f"{file}: {said}")


EPOCH = "time_s,priority,size_bytes\n1666255720.5,normal,12\n1666255722,high,180\n"


def recorded(tmp_path, more: str = ""):
    (tmp_path / "work.csv").write_text(EPOCH)
    file = tmp_path / "mine.toml"
    file.write_text(f'clients = 2\nduration_s = 10\n[workload]\ncsv = "work.csv"\n{more}')
    return file


def test_times_since_1970_are_no_silence(tmp_path):
    with pytest.raises(sl.SettingsError) as error:
        sl.load(recorded(tmp_path))
    assert "no recorded message lies within the run, which is over at 10 s" in str(error.value)
    assert 'time_origin = "first"' in str(error.value)


def test_times_are_counted_from_the_first_message_if_the_workload_says_so(tmp_path):
    scenario = sl.load(recorded(tmp_path, 'start_s = 1\ntime_origin = "first"\n'))
    assert [0.0, 1.5] == [time_s for time_s, _, _ in scenario.workload.recorded]
    frame = sl.run(scenario).frame()
    assert [1.0, 1.0, 2.5, 2.5] == frame[frame["name"] == "send"]["time_s"].to_list()
    again = tmp_path / "again.toml"
    again.write_text(sl.dump(scenario))
    assert scenario == sl.load(again).replace(name="mine")


def test_messages_that_are_recorded_and_drawn_contradict_each_other(tmp_path):
    with pytest.raises(sl.SettingsError, match=r"workload\.csv"):
        sl.load(recorded(tmp_path, 'arrivals = "poisson"\n'))


# --- in a scenario -----------------------------------------------------------------------


def test_a_scenario_reads_milliseconds_and_loss(tmp_path):
    written(tmp_path, "rtt_ms\n" + "4\n" * 81 + "timeout\n" * 19)
    file = tmp_path / "mine.toml"
    file.write_text('[path.latency]\ncsv = "pings.csv"\n')
    path = sl.load(file).path
    assert (0.002, 0.1) == pytest.approx((path.latency.table_s[0], path.loss_fraction))
    file.write_text('[path]\nloss_fraction = 0\n[path.latency]\ncsv = "pings.csv"\n')
    assert 0.0 == sl.load(file).path.loss_fraction
    set_s = sl.Scenario().replace("path.latency.csv", str(tmp_path / "pings.csv"))
    assert path == set_s.path


def test_a_scenario_says_the_unit(tmp_path):
    written(tmp_path, "4\n" * 20)
    file = tmp_path / "mine.toml"
    file.write_text('[path.latency]\ncsv = "pings.csv"\nunit = "ms"\n')
    assert 0.002 == pytest.approx(sl.load(file).path.latency.table_s[0])
    settings = {"path.latency.unit": "ms", "path.latency.csv": str(tmp_path / "pings.csv")}
    assert 0.002 == pytest.approx(sl.Scenario().replace(settings).path.latency.table_s[0])
