"""The console's buttons, sliders and texts."""

import re
import time

import pandas as pd
import pytest

import simlib as sl
from simlib.live_console import picture
from simlib.live_console.console_run import Sight, end_runs
from simlib.live_console.twin import Twin

pytestmark = [
    pytest.mark.live,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
SCENARIO = sl.Scenario(
    name="by_hand",
    clients=4,
    duration_s=60,
    ramp_s=0,
    client=sl.Settings(backoff=sl.Backoff(base_s=0.1, cap_s=0.3)),
    server=sl.ServerSettings(accept_per_s=50),
)
PATIENCE_S = 90


def wait_until(condition):
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until_s, "it did not come to be"
        time.sleep(0.02)


@pytest.fixture
def console(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield sl.console(SCENARIO)
    end_runs()


def cells(console, title):
    """The numbers of a table of the picture by word: live, twin."""
    table = re.search(f"<caption>{title}.*?</table>", console.picture.value)
    rows = re.findall(r"<th scope=\"row\">(.*?)</th><td.*?>(.*?)</td><td.*?>(.*?)</td>", table[0])
    return {word: (live, twin) for word, live, twin in rows}


def opens(console):
    return console.picture.value and cells(console, "Connection")["open"]


def test_buttons_cut_and_restore_and_the_picture_follows(console):
    console.start_button.click()
    wait_until(lambda: opens(console) == ("4", "4"))
    console.fault_buttons["cut"].click()
    wait_until(lambda: opens(console) == ("0", "0"))
    assert "By hand: cut, at " in console.words.value
    assert "outage since" in console.picture.value
    assert "warning" == console.fault_buttons["cut"].button_style
    console.restore_button.click()
    wait_until(lambda: opens(console) == ("4", "4"))
    assert not console.words.wrong
    console.stop_button.click()
    assert console.wait(PATIENCE_S)
    # So are all of its verdicts, the one for a machine too busy to tell among them.
    assert "simulation and live run" in console.words.value.lower()
    assert console.comparison.headline in console.words.value
    assert console.trace.scenario == console.twin.scenario == console.scenario
    assert not console.start_button.disabled


def test_what_was_done_by_hand_is_saved_and_can_be_played_again(console):
    console.start()
    wait_until(lambda: opens(console) == ("4", "4"))
    console.share.value = 0.5
    console.strike("black hole")
    wait_until(lambda: console.scenario.faults)
    console.stop()
    assert console.wait(PATIENCE_S)
    console.save_button.click()
    assert "simlib run by_hand_by_hand.toml" in console.words.value
    saved = sl.load("by_hand_by_hand.toml")
    assert saved == console.scenario == sl.loads(console.toml.value)
    (fault,) = saved.faults
    assert round(fault.start_s, 3) == fault.start_s
    assert re.search(r"start_s = \d+(\.\d{1,3})?,", console.toml.value)
    assert ("black_hole", 0.5) == (fault.kind.name.lower(), fault.clients_fraction)
    # The twin stops a moment after the run, or before it: what it played is played again.
    again = sl.run(saved.replace(duration_s=console.twin.end_s + 1)).frame()
    pd.testing.assert_frame_equal(console.twin.frame(), again.head(len(console.twin)))
    console.save_button.click()  # the same once more
    assert "Saved" in console.words.value


def test_another_s_file_is_not_overwritten(console, tmp_path):
    (tmp_path / "mine.toml").write_text("clients = 3\n")
    console.file.value = "mine.toml"
    console.save_button.click()
    assert "mine.toml is there already: name another file" in console.words.value
    assert console.words.wrong
    assert "clients = 3\n" == (tmp_path / "mine.toml").read_text()


def test_a_file_that_cannot_be_written_is_told_in_words(console):
    console.file.value = "/proc/none/mine.toml"
    console.save_button.click()
    assert "cannot be written" in console.words.value


def test_a_slider_changes_the_delay_that_acts(console):
    console.start()
    wait_until(lambda: opens(console) == ("4", "4"))
    console.slow_s.value = 0.4  # nothing is slow yet
    console.strike("slow")
    wait_until(lambda: len(console.scenario.faults) == 1)
    wait_until(lambda: console.fault_buttons["slow"].button_style)
    console.slow_s.value = 0.1
    wait_until(lambda: len(console.scenario.faults) == 2)
    first, second = console.scenario.faults
    assert (0.4, 0.1) == (first.amount_s, second.amount_s)
    wait_until(lambda: console.scenario.faults[0].stop_s < 60)


def test_a_cell_that_is_run_twice_ends_the_run_of_the_first(console):
    console.start()
    wait_until(lambda: opens(console) == ("4", "4"))
    sl.console(SCENARIO)
    assert console.wait(0.0)
    assert not console.start_button.disabled


def test_buttons_that_do_nothing_now_cannot_be_pressed(console):
    assert not console.start_button.disabled
    for button in (console.stop_button, console.restore_button, *console.fault_buttons.values()):
        assert button.disabled
    console.strike("cut")
    console.stop()
    assert () == console.scenario.faults


def test_nobody_is_logged_out_where_there_are_no_sessions(console):
    console.start()
    assert console.fault_buttons["log out"].disabled
    assert "session_lifetime_s" in console.fault_buttons["log out"].tooltip
    assert not console.fault_buttons["cut"].disabled


def test_what_cannot_be_played_live_is_refused_at_once():
    with pytest.raises(sl.SettingsError, match="gateways = 99: must be at most 16"):
        sl.console(SCENARIO.replace(gateways=99))


def test_every_control_has_a_name_and_help(console):
    for button in (console.start_button, console.stop_button, *console.fault_buttons.values()):
        assert button.description
        assert button.tooltip.endswith(".")
    assert ("slow by", "share of clients") == (
        console.slow_s.description,
        console.share.description,
    )


def test_the_picture_is_described_for_those_who_do_not_see_it():
    twin = Twin(SCENARIO)
    twin.follow(2.0, [sl.Fault("outage", start_s=1.0)])
    sight = Sight(twin.look(), twin.server_load())
    said = "At 2.0 s 0 of 4 clients are open in the live run, and 0 in the twin."
    assert said == picture.describe_opens(sight, sight)
    drawn = picture.draw(SCENARIO, sight, sight, [(0.0, 4, 4), (2.0, 0, 0)])
    assert f'role="img" aria-label="{said}"' in drawn


def test_names_are_text_and_never_markup():
    twin = Twin(SCENARIO.replace(name="<b>&"))
    sight = Sight(twin.look(), twin.server_load())
    assert "&lt;b&gt;&amp;" in picture.draw(SCENARIO, sight, sight, [])


@pytest.mark.parametrize(
    ("now_s", "duration_s", "shown"),
    [(2.0, 20.0, (0.0, 20.0)), (5.0, 600.0, (0.0, 60.0)), (80.0, 600.0, (20.0, 80.0))],
)
def test_the_chart_shows_the_last_minute_of_a_long_run(now_s, duration_s, shown):
    assert shown == picture._window(now_s, duration_s)


def test_a_fault_is_shaded_as_far_as_it_has_lasted():
    window = (20.0, 80.0)
    assert "" == picture._shade(window, 80.0, sl.Fault("outage", 1, 10))
    over = picture._shade(window, 80.0, sl.Fault("outage", 10, 50))
    assert 'x="0.0" width="500.0"' in over
    acting = picture._shade(window, 65.0, sl.Fault("outage", 50))
    assert 'x="500.0" width="250.0"' in acting
