"""What others wrote is text wherever it is shown: no name, label or line becomes markup or code."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

import simlib as sl
from simlib import cli
from simlib.trace.sequence import list_sequence_steps, to_mermaid
from tests.security.sockets import dial, request

SCRIPT = "<script>alert('evil')</script><img src=x onerror=alert(1)>"
#: What ends a text in HTML, an attribute, a script, an SVG, Markdown, and a diagram of Mermaid.
ATTACK = f"evil\"'>]]>--></title></style>{SCRIPT}%%{{init}}%%;end &lt; `x` | [a](javascript:b) $x$"
NAME = ATTACK.replace("/", "\N{DIVISION SLASH}")
#: Elements and attributes of the attack; none may be there.
FORBIDDEN_ATTRIBUTES = re.compile(r"on\w+$")


class Elements(HTMLParser):
    """The elements of a page: what runs in it, and where what it loads comes from."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.bad: list[str] = []
        self._is_script = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for key, value in attrs:
            leads_to_code = (value or "").strip().lower().startswith("javascript:")
            if FORBIDDEN_ATTRIBUTES.match(key) or leads_to_code:
                self.bad.append(f"{tag} {key}={value}")
            if tag == "img" and key == "src" and value == "x":
                self.bad.append("img of the attack")
        self._is_script = tag == "script"

    def handle_data(self, data):
        if self._is_script and re.match(r"\s*alert\(", data):
            self.bad.append(data)

    def handle_endtag(self, tag):
        self._is_script = False


def bad_in(html: str) -> list[str]:
    return Elements(html).bad


def test_the_attack_is_told_where_it_is_not_escaped():
    assert 3 <= len(bad_in(f"<p>{ATTACK}</p>"))


def evil(**changes) -> sl.Scenario:
    scenario = sl.Scenario(
        name=NAME,
        teaches=f"{ATTACK}\n```\n~~~~\n{SCRIPT}",
        clients=4,
        duration_s=8,
        seed=3,
        client=sl.Settings(backoff=sl.Backoff(base_s=0.5, cap_s=2)),
        workload=sl.Workload(rate_per_s=0.5),
        faults=[sl.Fault("outage", start_s=1, stop_s=3)],
        cohorts=[sl.Cohort(name=ATTACK, clients_fraction=0.5)],
    )
    return scenario.replace(**changes) if changes else scenario


@pytest.fixture(scope="module")
def trace():
    return sl.run(evil(), label=ATTACK)


def test_what_a_notebook_shows_is_escaped(trace):
    shown = [evil(), trace, sl.describe_run(trace), sl.presets["phoenix"], sl.lint(evil())]
    for each in shown:
        html = each._repr_html_()
        assert [] == bad_in(html), each.__class__
    assert "&lt;script&gt;" in evil()._repr_html_()


def test_a_diagram_of_mermaid_has_no_words_of_others(trace):
    diagram = to_mermaid(list_sequence_steps(trace, 0), 0)
    assert "script" not in diagram
    assert "%%" not in diagram


def test_pictures_have_their_words_as_text(trace, tmp_path):
    from simlib.charts.figures import save_figure

    for draw in (sl.plots.attempts, sl.plots.recovery, sl.plots.latency):
        file = save_figure(draw([trace]).figure, tmp_path / f"{draw.__name__}.svg")
        svg = file.read_text(encoding="utf-8")
        assert [] == bad_in(svg)
        assert "<script" not in svg


@pytest.mark.slow
def test_a_report_of_what_others_wrote_runs_nothing(tmp_path):
    Path(tmp_path / "evil.toml").write_text(f"# {ATTACK}\n{sl.dump(evil())}", encoding="utf-8")
    found = sl.report(
        sl.load(tmp_path / "evil.toml"),
        # It ends the script that holds the numbers of the sliders.
        {f"</script>{SCRIPT}": "preset:phoenix"},
        out=tmp_path / "review.html",
        vary={"outage_s": [2, 4], "clients": [4, 8]},
        replications=3,
        on="sim",
        progress=lambda *_: None,
    )
    assert "<script" in (tmp_path / "review.html").read_text(encoding="utf-8")
    text = (tmp_path / "review.html").read_text(encoding="utf-8")
    assert [] == bad_in(text)
    # What stands between fences is shown as it is.
    markdown = (tmp_path / "review.md").read_text(encoding="utf-8")
    assert [] == bad_in(re.sub(r"(?ms)^(```+).*?^\1$", "", markdown))
    assert "review" in repr(found).lower()


@pytest.mark.slow
def test_an_explorer_shows_names_as_text():
    from simlib.explorers.explore import explore

    page = explore(evil(workload=sl.Workload(rate_per_s=0)))
    shown = page._repr_mimebundle_() if hasattr(page, "_repr_mimebundle_") else {}
    assert [] == bad_in(json.dumps(shown))


LINE = '1.2.3.4 - - [31/Jan/2026:10:00:05 +0000] "GET {path} HTTP/1.1" 503 0 "-" "{agent}"\n'


def test_lines_of_a_log_are_shown_as_text(tmp_path, trace):
    attack = ATTACK.replace('"', "").replace(" ", "")
    log = tmp_path / "access.log"
    log.write_text(
        LINE.format(path=f"/{attack}", agent=attack) * 3
        + LINE.format(path="/ws", agent="").replace("503", "101")
    )
    seen = sl.read_attempts(log)
    assert [] == bad_in(seen._repr_html_())
    har = {
        "log": {
            "entries": [
                {
                    "startedDateTime": "2026-01-31T10:00:00Z",
                    "time": 1,
                    "request": {"method": "GET", "url": f"wss://h/{ATTACK}"},
                    "response": {"status": 101},
                }
            ]
        }
    }
    (tmp_path / "a.har").write_text(json.dumps(har), encoding="utf-8")
    seen = sl.read_attempts(tmp_path / "a.har")
    assert [] == bad_in(seen._repr_html_())
    from simlib.charts.figures import save_figure

    axes = sl.plots.attempts([trace], observed=seen)
    assert [] == bad_in(save_figure(axes.figure, tmp_path / "o.svg").read_text(encoding="utf-8"))


@pytest.mark.parametrize("escape", ["\x1b[2J", "\x1b]0;evil\x07", "\r", "\x9b2J"])
def test_an_error_moves_no_cursor_of_a_terminal(escape, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text(f"clients = {json.dumps('x' + escape)}\n", encoding="utf-8")
    said = CliRunner().invoke(cli.main, ["run", str(file)]).output
    assert escape.strip("\n") not in said


@pytest.mark.live
def test_what_a_client_asks_for_and_calls_itself_moves_no_cursor_and_has_no_secret():
    agent = b"User-Agent: \x9b31mred https://h/?token=s3cr3t\r\n"
    with sl.BadServer() as server:
        port = int(server.url.split(":")[2].split("/")[0])
        for own in (dial(port, request("/\x1b[31mred", agent)), dial(port, request("/ws", agent))):
            with own:
                assert own.recv(1)
        server.wait_for_attempts(2)
        seen = server.observation()
    assert {r"\x9b31mred https://h/?token=***"} == {each.user_agent for each in seen.attempts}
    assert r"a client asked for /\x1b[31mred, not /ws: it is answered alike" in seen.notes
    assert all(line.isprintable() for line in repr(seen).split("\n"))
