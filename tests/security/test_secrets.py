"""No cookie, token or password is written: every file and text is searched for them."""

from __future__ import annotations

import gzip
import json
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

import simlib as sl
from simlib import cli
from simlib.core.errors import SettingsError
from simlib.engines.live import processes
from tests.lab.fault_proxy.proxy_process import running

#: What stands in each secret, and nowhere else.
MARK = "s3cr3tXYZ"
TOKEN, PASSWORD, COOKIE, BEARER = (f"{MARK}{word}" for word in ("tok", "p@ss", "cook", "bear"))
ADDRESS = f"ws://joe:{PASSWORD}@127.0.0.1:{{port}}/chat?room=1&token={TOKEN}"
LOG = (
    '10.0.0.1 - joe [31/Jan/2026:10:00:{s:02d} +0000] "GET /ws?access_token={token} HTTP/1.1" '
    '{status} 12 "https://joe:{password}@example.org/?sid={cookie}" '
    '"Authorization: Bearer {bearer}"'
)
SMALL = sl.Scenario(
    name="small",
    clients=3,
    duration_s=6,
    client=sl.Settings(backoff=sl.Backoff(base_s=0.2, cap_s=1)),
    faults=[sl.Fault("outage", start_s=1, stop_s=2)],
)


def texts_of(file: Path) -> str:
    """What a file says, unpacked."""
    if file.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(file)
        return f"{table.schema.metadata} {table.to_pylist()}"
    content = file.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    return content.decode("utf-8", errors="replace")


def leaks(text: str, where: str) -> list[str]:
    """Where a text has a secret, with what stands before it."""
    starts = [i for i in range(len(text)) if text.startswith(MARK, i)]
    return [f"{where}: ...{text[max(0, i - 60) : i + 20]}" for i in starts]


def leaks_in(folder: Path, *, given: frozenset[Path] = frozenset()) -> list[str]:
    """What of secrets is in the files of a folder, but for those that were given."""
    files = [file for file in folder.rglob("*") if file.is_file() and file not in given]
    assert files
    return [leak for file in files for leak in leaks(texts_of(file), file.name)]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def small(here):
    Path("small.toml").write_text(sl.dump(SMALL), encoding="utf-8")
    return "small.toml"


def play(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.main, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert [] == leaks(result.output, arguments[0])
    return result.exit_code, result.output


def log_line(s: int, status: int = 503) -> str:
    return LOG.format(
        s=s, status=status, token=TOKEN, password=PASSWORD, cookie=COOKIE, bearer=BEARER
    )


def har() -> str:
    entries = [
        {
            "startedDateTime": f"2026-01-31T10:00:0{s}Z",
            "time": 1,
            "request": {
                "method": "GET",
                "url": ADDRESS.format(port=80),
                "headers": [
                    {"name": "Authorization", "value": f"Bearer {BEARER}"},
                    {"name": "Cookie", "value": f"sid={COOKIE}"},
                ],
                "cookies": [{"name": "sid", "value": COOKIE}],
            },
            "response": {"status": 101, "headers": [{"name": "Set-Cookie", "value": COOKIE}]},
            "_webSocketMessages": [{"type": "send", "time": 1, "data": TOKEN}],
        }
        for s in range(3)
    ]
    return json.dumps({"log": {"version": "1.2", "entries": entries}})


def test_a_run_over_a_log_and_a_har_keeps_none_of_their_secrets(small, here):
    given = {Path("access.log"), Path("page.har")}
    Path("access.log").write_text("\n".join(log_line(s) for s in range(5)), encoding="utf-8")
    Path("page.har").write_text(har(), encoding="utf-8")
    for file in sorted(given):
        status, _ = play("run", small, "--observed", str(file), "--out", f"out/{file.stem}")
        assert 0 == status
        seen = sl.read_attempts(file)
        assert [] == leaks(f"{seen!r} {seen._repr_html_()} {seen.notes}", str(file))
    assert [] == leaks_in(here / "out")


@pytest.mark.parametrize(
    "text",
    [
        log_line(1).replace("[", "") * 3,
        f"time,token\nno time,{ADDRESS.format(port=80)}\n",
        har().replace("2026-01-31", "no date"),
        har()[:700],
        '{"log": {"entries": [{"Authorization": "Bearer ' + BEARER + '"',
    ],
)
def test_what_is_no_log_is_refused_without_its_secrets(text, small):
    Path("bad.log").write_text(text, encoding="utf-8")
    status, said = play("run", small, "--observed", "bad.log")
    assert (2, True) == (status, "bad.log" in said)


OPTIONS = f"""
const socket = io("{ADDRESS.format(port=80)}", {{
  reconnectionDelay: 500,
  auth: {{ token: "{TOKEN}", password: "{PASSWORD}" }},
  extraHeaders: {{ Authorization: "Bearer {BEARER}", Cookie: "sid={COOKIE}" }},
  query: {{ access_token: "{TOKEN}" }},
  transports: ["websocket"],
}});
"""
BAD_OPTIONS = [
    OPTIONS.replace("500", f'"{TOKEN}"').replace("reconnectionDelay:", "authToken:"),
    OPTIONS.replace("transports", "transport"),
    OPTIONS.replace("});", ""),
    f'{{"reconnectionDelay": 500, "token": "{TOKEN}"}}',
    f'{{"reconnectionDelay": {{"apiKey": "{TOKEN}"}}}}',
    f'{{"reconnectionDelay": "{ADDRESS}"}}',
]


def test_options_become_a_policy_without_their_secrets(here):
    Path("options.js").write_text(OPTIONS, encoding="utf-8")
    assert 0 == play("import", "options.js", "--out", "policy.toml")[0]
    assert 0 == play("import", "options.js", "--json")[0]
    assert [] == leaks_in(here, given=frozenset({here / "options.js"}))
    found = sl.policy_from(OPTIONS)
    assert [] == leaks(f"{found!r} {found._repr_html_()} {found.lacks} {found.notes}", "policy")


@pytest.mark.parametrize("text", BAD_OPTIONS)
def test_bad_options_are_refused_without_their_secrets(text, here):
    Path("options.js").write_text(text, encoding="utf-8")
    play("import", "options.js")
    play("lint", "options.js")


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", ADDRESS),
        ("run", "first_outage", "--on", "live", "--url", ADDRESS.replace("ws:", "wss:")),
        ("run", "first_outage", "--on", "live", "--url", ADDRESS.format(port="no")),
        ("run", "first_outage", "--on", "live", "--url", ADDRESS.replace("127.0.0.1", "a.invalid")),
        ("run", "first_outage", "--set", f"client.token={TOKEN}"),
        ("run", "first_outage", "--set", f'client.backoff.base_s="{ADDRESS}"'),
        ("run", "first_outage", "--set", f'client="preset:x?token={TOKEN}"'),
        ("proxy", "--to", ADDRESS.format(port=80)),
        ("observe", "--path", f"ws?token={TOKEN}", "--", "true"),
        ("report", "first_outage", "--out", f"review.html?token={TOKEN}"),
    ],
)
def test_an_error_names_no_secret_of_what_was_given(arguments, here):
    status, said = play(*arguments)
    assert 2 == status
    assert said


def test_an_error_in_python_names_no_secret_either():
    for value in (ADDRESS, {"token": TOKEN}, [f"Cookie: sid={COOKIE}"], Path(ADDRESS)):
        error = SettingsError("url", value, f"cannot be reached: {ADDRESS}")
        for shown in (error, error.inside("a"), error.after("--set")):
            assert [] == leaks(f"{shown} {shown!r}", "error")
    assert "auth.token = ***: must be" in str(SettingsError("auth.token", MARK, "must be"))


@pytest.mark.slow
def test_a_report_keeps_no_secret_of_the_command_that_made_it(small, here):
    given = Path(f"token={TOKEN}", "small.toml")
    given.parent.mkdir()
    Path(small).rename(given)
    arguments = ("report", str(given), "--on", "sim", "--replications", "3")
    assert play(*arguments, "--out", "out/review.html")[0] in (0, 1)
    assert "token=***" in Path("out/review.html").read_text(encoding="utf-8")
    assert [] == leaks_in(here / "out")


# --- live -------------------------------------------------------------------------------


@pytest.fixture
def known_keys(monkeypatch):
    """The keys of live runs, each with the mark in it; what is signed with them begins alike."""

    def marked(*_: object) -> str:
        return f"{MARK}key"

    monkeypatch.setattr(processes.secrets, "token_urlsafe", marked)


@pytest.mark.live
@pytest.mark.slow
def test_a_live_run_keeps_neither_its_cookies_nor_its_keys(known_keys, here):
    scenario = SMALL.replace(
        {
            "client.session.sign_in_after_s": 0.1,
            "server.session_lifetime_s": 2,
        }
    )
    Path("live.toml").write_text(sl.dump(scenario), encoding="utf-8")
    status, _ = play("--log-level", "debug", "compare", "live.toml", "--out", "out")
    assert status in (0, 1)
    trace = sl.Trace.load("out/live.parquet")
    assert "sign_in" in set(trace.frame()["name"].astype(str).str.lower())
    assert [] == leaks_in(here)
    cookies = ("simlib_session", "eyJ1c2VyIjog")
    found = [f for f in here.rglob("*") if f.is_file() and any(c in texts_of(f) for c in cookies)]
    assert [] == found


@pytest.mark.live
@pytest.mark.slow
def test_a_live_run_against_a_server_of_ones_own_keeps_nothing_of_its_address(small, here):
    with sl.BadServer() as server:
        url = ADDRESS.format(port=server.url.split(":")[2].split("/")[0])
        arguments = ("run", small, "--on", "live", "--url", url, "--codec", "echo")
        status, _ = play(*arguments, "--out", "out")
    assert 0 == status
    assert [] == leaks_in(here)


CLIENT = """
import sys
from websockets.sync.client import connect
url = sys.argv[1].replace("ws://", "ws://joe:{password}@") + "/chat/{jwt}?token={token}"
headers = {{"Cookie": "sid={cookie}", "X-Api-Key": "{token}"}}
for _ in range(3):
    try:
        with connect(url, additional_headers=headers, proxy=None) as socket:
            socket.send("{token}")
            socket.recv()
    except Exception:
        pass
print("could not connect to", url, headers, flush=True)
sys.exit(3)
"""
SCRIPT = """
[[phases]]
kind = "status"
attempts = 2
longest_s = 5

[[phases]]
kind = "close"
attempts = 2
longest_s = 5
"""


@pytest.mark.live
def test_an_observation_and_what_is_inferred_keep_no_secret_of_the_client(here):
    jwt = f"eyJ{MARK}.{MARK}.{MARK}"
    marked = {"password": "s3cr3tXYZpass", "token": TOKEN, "cookie": COOKIE, "jwt": jwt}
    client = Path("client.py")
    client.write_text(textwrap.dedent(CLIENT.format(**marked)), encoding="utf-8")
    Path("script.toml").write_text(SCRIPT, encoding="utf-8")
    command = (sys.executable, "client.py", "{url}", "--auth-token", TOKEN)
    status, _ = play("observe", "--script", "script.toml", "--out", "o.parquet", "--", *command)
    assert 0 == status
    seen = sl.Observation.load("o.parquet")
    assert any("asked for" in note for note in seen.notes), seen.notes
    assert [] == leaks(f"{seen!r} {seen._repr_html_()} {seen.notes}", "observation")
    play("infer", "o.parquet", "--out", "inferred")
    assert [] == leaks_in(here, given=frozenset({here / "client.py"}))


@pytest.mark.live
def test_what_a_client_prints_at_its_end_is_noted_without_its_secrets(here):
    client = Path("mute.py")
    client.write_text(f'print("no server at ws://joe:{PASSWORD}@h/?token={TOKEN}")')
    status, said = play("observe", "--out", "o.parquet", "--", sys.executable, "mute.py")
    assert 2 == status
    assert "before it connected: no server at ws://***@h/?token=***" in said
    assert [] == leaks_in(here, given=frozenset({here / "mute.py"}))


@contextmanager
def proxy_before(server):
    with running("--to", f"{server.url}?token={TOKEN}") as process:
        process.find("Listening on")
        yield process


@pytest.mark.live
def test_a_proxy_says_no_token_of_the_address_it_leads_to():
    with sl.BadServer() as server, proxy_before(server) as process:
        _, printed = process.end()
    assert [] == leaks("\n".join([*process.lines, *printed]), "proxy")
