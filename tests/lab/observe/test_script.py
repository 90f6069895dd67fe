"""Scripts: which phases there are, what each says, and how they are written."""

import pytest

import simlib as sl
from simlib.lab.observe.script import (
    QUICK_SCRIPT,
    SCRIPTS,
    STANDARD,
    Phase,
    PhaseKind,
    parse,
    script,
)


def test_the_standard_script_plays_every_kind_of_trouble():
    # To stay and behave is no trouble: it is there to be switched to.
    assert set(PhaseKind) - {PhaseKind.STAY} == {phase.kind for phase in STANDARD.phases}
    closes = [phase.code for phase in STANDARD.phases if phase.kind is PhaseKind.CLOSE]
    assert [1000, 1001, 1006, 1008, 1011, 1012, 1013, 4401] == closes
    told = {(phase.status, phase.retry_after_s) for phase in STANDARD.phases if not phase.kind - 3}
    assert {(503, 0), (503, 7), (429, 45), (429, 0), (403, 0), (401, 0)} == told


def test_the_quick_script_takes_less_than_two_minutes():
    assert QUICK_SCRIPT.longest_s < 120.0


@pytest.mark.parametrize("each", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_is_the_same_after_it_was_written_and_read(each):
    assert each == parse(each.dump())


def test_words_say_what_a_phase_does():
    words = [
        Phase(status=429, retry_after_s=45).words,
        Phase(kind="refuse", closed=True).words,
        Phase(kind="slow", delay_s=2.5).words,
        Phase(kind="close", code=4401).words,
    ]
    assert ["status 429 retry_after=45", "refuse closed", "slow delay_s=2.5", "close 4401"] == words
    dated = Phase(status=429, retry_after_s=45, as_date=True)
    assert "status 429 retry_after=45 as a date" == dated.words


def test_a_date_needs_the_time_until_it():
    with pytest.raises(sl.SettingsError, match="as_date = True: needs retry_after_s"):
        Phase(status=429, as_date=True)


def test_a_phase_stays_open_for_one_time_after_another_and_then_for_the_last():
    phase = Phase(kind="open_then_cut", opens_s=[0.1, 1, 6])
    assert [0.1, 1.0, 6.0, 6.0] == [phase.open_for_s(turn) for turn in range(4)]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "close", "code": 1005}, "code = 1005: must be a code that a frame can carry"),
        ({"closed": True}, "closed = True: must be false unless the kind is refuse"),
        ({"kind": "open_then_cut"}, r"opens_s = \[\]: must name the times of being open"),
        ({"status": 200}, "status = 200"),
        ({"attempts": 0}, "attempts = 0"),
    ],
)
def test_a_phase_that_cannot_be_played_is_refused(settings, said):
    with pytest.raises(sl.SettingsError, match=said):
        Phase(**settings)


def test_a_name_gives_a_script_and_a_script_itself():
    assert script("quick") is QUICK_SCRIPT
    assert script(QUICK_SCRIPT) is QUICK_SCRIPT


def test_a_file_that_is_no_text_is_no_script(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_bytes(bytes(range(256)))
    with pytest.raises(sl.SettingsError, match="is not TOML"):
        script(file)
