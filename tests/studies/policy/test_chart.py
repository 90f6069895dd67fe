"""Presets on charts and on a terminal."""

import io

import numpy as np
import pytest
from rich.console import Console

import simlib as sl
from simlib.studies.policy.benchmark import play_storms, storm, storms
from simlib.studies.policy.chart import policies_chart, save_policies_chart, storms_chart
from simlib.studies.policy.text import preset_in_words, presets_in_words, storms_in_words


def shown(part) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(part)
    return console.file.getvalue()


def rules(*names: str):
    return {name: sl.presets[name].client.backoff for name in names}


def test_each_policy_has_a_panel_with_its_median_and_its_end():
    panels = policies_chart(rules("phoenix", "signalr"))
    assert ["phoenix", "signalr"] == [each.get_title(loc="left") for each in panels]
    phoenix, signalr = (each.get_lines()[0].get_ydata() for each in panels)
    assert [0.01, 0.05, 0.1] == phoenix[:6:2].tolist()
    assert [2, 10, 30] == signalr[2:8:2].tolist()
    assert np.isnan(signalr[8:]).all()
    assert ["gives up"] == [text.get_text() for text in panels[1].texts if "up" in text.get_text()]
    assert panels[0].get_ylim() == panels[1].get_ylim()


def test_the_chart_of_one_that_never_reconnects_is_drawn_too(tmp_path):
    assert save_policies_chart(rules("okhttp"), tmp_path).stat().st_size > 5000


def test_storms_are_drawn_to_one_scale_with_the_server_s_rate():
    known = {name: sl.presets[name].client for name in ("sockette", "okhttp")}
    panels = storms_chart(play_storms(known, 20, 5.0, on="sim"))
    assert panels[0].get_ylim() == panels[1].get_ylim()
    figure = panels[0].figure
    assert "Sockette: everybody is back in" in figure.get_suptitle()
    assert any("dashed: the server opens 2/s" in text.get_text() for text in figure.texts)
    assert ["20 never back"] == [text.get_text() for text in panels[1].texts]


def test_presets_in_words():
    assert "sockette                   websocket 1 s always, no jitter" in shown(
        presets_in_words(sl.presets)
    )


def test_a_preset_shows_its_source_its_waits_and_its_settings():
    text = shown(preset_in_words(sl.presets["socket.io-client"]))
    assert "source  socket.io-client 4.8.4, build/esm/manager.js" in text
    assert ["3", "2", "4", "5"] in [line.split() for line in text.splitlines()]
    assert 'jitter_place = "before_cap"' in text


def test_storms_in_words_begin_with_who_is_back_soonest():
    known = {name: sl.presets[name].client for name in ("okhttp", "slack-node", "aws-full")}
    text = shown(
        storms_in_words(storms(known, 20, 5.0, on="sim"), storm(sl.Settings(), 20, 5), "sim")
    )
    lines = text.splitlines()
    assert (
        "20 clients on sim: an outage of 5 s, then a server that opens 2 connections/s" == lines[0]
    )
    assert ["aws-full", "slack-node", "okhttp"] == [line.split()[0] for line in lines[3:6]]


@pytest.mark.parametrize("count", [1, 5])
def test_panels_are_as_many_as_policies(count):
    assert count == len(policies_chart(rules(*list(sl.presets)[:count])))
