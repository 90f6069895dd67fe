"""The page of the app: an explorer is made when its tab is first opened."""

import ipywidgets as widgets
import pytest

from simlib.app import page


@pytest.fixture
def made(monkeypatch):
    """The explorers that were made, by name; making "broken" fails."""
    names = []

    def maker(name):
        def make():
            names.append(name)
            if name == "broken":
                raise RuntimeError("no <luck>")
            return widgets.Label(name)

        return make

    monkeypatch.setattr(page, "EXPLORERS", {n: maker(n) for n in ("first", "second", "broken")})
    return names


def shown(tabs, place):
    (child,) = tabs.children[place].children
    return child.value


def test_only_the_tab_that_is_open_is_made(made):
    tabs = page.Page().tabs
    assert ["first"] == made
    assert ("first", "second", "broken") == tabs.titles
    assert ["first", "Loading ..."] == [shown(tabs, 0), shown(tabs, 1)]


def test_a_tab_is_made_once(made):
    tabs = page.Page().tabs
    for place in (1, 0, 1):
        tabs.selected_index = place
    assert ["first", "second"] == made
    assert "second" == shown(tabs, 1)


def test_an_explorer_that_cannot_be_made_is_told_in_words_and_the_others_stay(made):
    tabs = page.Page().tabs
    tabs.selected_index = 2
    assert '<p role="alert">This explorer cannot be shown: no &lt;luck&gt;</p>' == shown(tabs, 2)
    tabs.selected_index = 1
    assert "second" == shown(tabs, 1)


@pytest.mark.slow
def test_each_explorer_of_the_page_can_be_made():
    for title, make in page.EXPLORERS.items():
        assert isinstance(make(), widgets.DOMWidget), title
