"""The animation of a storm: bounded, whole on the disk, and each frame tells the states."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import simlib as sl
from simlib.charts import animation
from simlib.charts.animation import MOST_BYTES, MOST_CLIENTS, states_by_frame
from simlib.core.errors import SettingsError, SimlibError
from simlib.core.link_table import State

STORM = sl.Scenario(
    name="storm", clients=12, duration_s=20, ramp_s=0, faults=[sl.Fault("outage", 5, 9)],
    workload=sl.Workload(rate_per_s=0),
)  # fmt: skip


@pytest.fixture(scope="module")
def trace():
    return sl.run(STORM)


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_a_file_has_the_frames_and_shows_itself(trace, tmp_path, kind):
    shown = sl.animate(trace, tmp_path / f"storm.{kind}", frames=6)
    with Image.open(tmp_path / f"storm.{kind}") as picture:
        assert (kind.upper(), 6) == (picture.format, picture.n_frames)
    assert shown.data == (tmp_path / f"storm.{kind}").read_bytes()
    assert [f"storm.{kind}"] == [file.name for file in tmp_path.iterdir()]
    assert f'src="data:image/{kind};base64,' in shown._repr_html_()
    assert 'alt="storm: 12 of 12 clients' in shown._repr_html_()
    assert "6 frames" in repr(shown)


def test_each_frame_has_the_state_of_each_client(trace):
    states = states_by_frame(trace, np.array([0.0, 2.0, 4.5, 7.0, 18.0, 20.0]))
    assert (5, 12) == states.shape
    # An attempt that falls between frames is shown all the same.
    assert {State.CONNECTING} == set(states[0].tolist()) == set(states[2].tolist())
    assert {State.OPEN} == set(states[1].tolist())
    assert {State.OPEN, State.WAITING} >= set(states[4].tolist())


def test_a_closed_door_is_drawn_while_a_fault_is_on(trace):
    shown = sl.animate(trace, frames=8)
    picture = Image.open(BytesIO(shown.data))
    closed = []
    for i in range(8):
        picture.seek(i)
        red, green, _ = picture.convert("RGB").getpixel((475, 260))
        closed.append(red > 150 > green)
    assert any(closed)
    assert not all(closed)


def test_a_large_file_is_made_of_fewer_frames(trace, monkeypatch):
    assert len(sl.animate(trace, frames=8).data) < MOST_BYTES
    monkeypatch.setattr(animation, "MOST_BYTES", 1)
    assert 2 == sl.animate(trace, frames=8).frames


def test_of_very_many_clients_some_are_shown():
    trace = sl.run(STORM.replace(clients=MOST_CLIENTS + 50))
    assert f"{MOST_CLIENTS} of {MOST_CLIENTS + 50} clients" in sl.animate(trace, frames=2).text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"out": "storm.mp4"}, r'out = "storm\.mp4": must end in \.webp or \.gif'),
        ({"frames": 1}, "frames = 1: must be 2 to 120"),
        ({"frames": 121}, "must be 2 to 120"),
    ],
)
def test_what_cannot_be_drawn_is_refused(trace, given, said):
    with pytest.raises(SettingsError, match=said):
        sl.animate(trace, **given)


def test_a_run_with_counts_alone_is_refused():
    pytest.importorskip("numba")
    with pytest.raises(SimlibError, match="keeps no rows"):
        sl.animate(sl.run(STORM, on="fleet"))
