"""Every saved result carries simlib's version, the hash of its scenario, and its command."""

import json
import tomllib
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import simlib as sl
from simlib import cli
from simlib.lab.observe.observation import Attempt
from simlib.scenario.origin import describe_origin, scenario_hash
from simlib.studies.claims import claims
from simlib.trace.trace import Trace

SMALL = """
name = "small"
clients = 4
duration_s = 6
[server]
accept_per_s = 4
[workload]
rate_per_s = 0
[[faults]]
kind = "outage"
start_s = 2
stop_s = 3
"""
OBSERVATIONS = Path(__file__).parents[1] / "lab" / "infer" / "observations"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder with one small scenario in it."""
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(SMALL)
    return tmp_path


def play(*arguments: str) -> str:
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code in (0, 1), result.output
    return result.stdout


def origin_of(file: str) -> dict:
    """What a file says of its origin, whatever its form."""
    path = Path(file)
    if path.suffix == ".parquet":
        return json.loads(pq.read_schema(path).metadata[b"simlib.made_by"])
    document = json.loads(path.read_text(encoding="utf-8"))
    return document.get("made_by") or document["otherData"]["made_by"]


def expected(command: str, **scenarios: sl.Scenario) -> dict:
    hashes = {name: scenario_hash(scenario) for name, scenario in scenarios.items()}
    return {"simlib": sl.__version__, "command": command, "scenarios": hashes}


def test_a_run_and_what_is_made_of_its_trace(here):
    played = sl.load("small.toml").replace(seed=3)
    play("run", "small.toml", "--seed", "3", "--out", "out/a")
    wanted = expected("simlib run small.toml --seed 3 --out out/a", small=played)
    assert wanted == origin_of("out/a/trace.parquet") == origin_of("out/a/summary.json")
    play("convert", "out/a/trace.parquet", "run.json")
    play("convert", "out/a/trace.parquet", "run.csv")
    assert wanted == origin_of("run.json") == origin_of("run.csv-metadata.json")
    assert wanted["command"] == Trace.load("out/a/trace.parquet").made_by


def test_a_printed_document_carries_what_a_saved_one_does(here):
    printed = json.loads(play("run", "small.toml", "--json"))["made_by"]
    assert expected("simlib run small.toml --json", small=sl.load("small.toml")) == printed


def test_secrets_are_no_part_of_the_command(here):
    play("run", "small.toml", "--set", "name=token=abc", "--out", "out/a")
    assert "abc" not in origin_of("out/a/summary.json")["command"]


@pytest.mark.slow
def test_studies_with_a_scenario(here):
    small = sl.load("small.toml")
    asked = {
        "sweep": ("--grid", "clients=2,3", "--replications", "2", "--workers", "1"),
        "sensitivity": ("--space", "client.backoff.base_s=0.1..1", "--samples", "4",
                        "--replications", "1", "--on", "sim", "--workers", "1"),
        "capacity": ("--recover-within", "2", "--key", "server.accept_per_s", "--on", "sim"),
    }  # fmt: skip
    files = {"sweep": "sweep.parquet", "sensitivity": "points.parquet", "capacity": "capacity.json"}
    for name, file in files.items():
        more = (*asked[name], "--out", f"out/{name}")
        play(name, "small.toml", *more)
        wanted = expected(" ".join(["simlib", name, "small.toml", *more]), small=small)
        assert wanted == origin_of(f"out/{name}/{file}"), name


def test_the_storms_of_presets(here):
    more = ("phoenix", "--clients", "20", "--outage", "3", "--on", "sim", "--out", "out/p")
    play("presets", "compare", *more)
    origin = origin_of("out/p/storms.json")
    assert f"simlib presets compare {' '.join(more)}" == origin["command"]
    assert 1 == len(origin["scenarios"])


@pytest.mark.slow
def test_a_tuning(here):
    pytest.importorskip("optuna")
    more = ("--alone", "--trials", "2", "--replications", "2", "--on", "sim", "--workers", "1")
    more += ("--space", "client.backoff.jitter=none,full", "--out", "out/t")
    play("tune", "small.toml", *more)
    wanted = expected(f"simlib tune small.toml {' '.join(more)}", small=sl.load("small.toml"))
    for file in ("trials.parquet", "candidates.parquet", "tuning.json"):
        assert wanted == origin_of(f"out/t/{file}"), file
    policy = Path("out/t/policy.toml").read_text()
    assert policy.startswith(f"# Made by simlib {sl.__version__}: simlib tune small.toml --alone")
    assert f"# Scenario small: hash {wanted['scenarios']['small']}\n" in policy
    assert "small" == sl.load("out/t/policy.toml").name


@pytest.mark.slow
def test_an_observation_its_inference_and_the_policy(here):
    source = OBSERVATIONS / "waits_squared.parquet"  # it was written without an origin
    assert "" == sl.Observation.load(source).made_by
    play("infer", str(source), "--out", "out/i")
    wanted = expected(f"simlib infer {source} --out out/i")
    assert wanted == origin_of("out/i/inference.json")
    if Path("out/i/policy.toml").exists():
        assert Path("out/i/policy.toml").read_text().startswith("# Made by simlib ")
    command = ("node", "c.mjs", "--token", "abc", "{url}")
    seen = sl.Observation([Attempt(0, "status", "503", 0, "", 0.5)], command=command)
    seen.made_by = "sl.observe('quick')"
    seen.save("obs.parquet")
    again = sl.Observation.load("obs.parquet")
    assert expected("sl.observe('quick')") == origin_of("obs.parquet")
    assert "sl.observe('quick')" == again.made_by
    assert ["node", "c.mjs", "--token", "***", "{url}"] == list(again.command)


def test_a_calibration(here):
    Path("pings.csv").write_text("rtt_ms\n" + "\n".join(str(50 + n) for n in range(40)))
    play("calibrate", "pings.csv", "--out", "out/c")
    profile = Path("out/c/measured.toml").read_text()
    command = "simlib calibrate pings.csv --out out/c"
    assert profile.startswith(f"# Made by simlib {sl.__version__}: {command}\n")
    assert ["measured"] == list(tomllib.loads(profile))


@pytest.mark.slow
def test_claims(here, monkeypatch):
    monkeypatch.setattr(claims, "CLAIMS", claims.CLAIMS[:1])
    more = ("--replications", "20", "--out", "out/claims")
    play("claims", *more)
    origin = origin_of("out/claims/claims.json")
    assert f"simlib claims {' '.join(more)}" == origin["command"]
    assert ["report_claims"] == list(origin["scenarios"])


def test_a_comparison():
    from simlib.studies.compare.compare import compare_traces

    scenario = sl.Scenario(name="two", clients=2, duration_s=3)
    trace = sl.run(scenario)
    document = compare_traces([trace] * 5, trace).to_json()
    assert expected("", two=scenario) == document["made_by"]


@pytest.mark.slow
def test_a_review_says_its_command_version_and_hash(here):
    pytest.importorskip("numba")
    more = ("--replications", "2", "--out", "review.html", "--on", "fleet")
    play("report", "small.toml", *more)
    html = Path("review.html").read_text()
    assert f"simlib report small.toml {' '.join(more)}" in html
    assert scenario_hash(sl.load("small.toml")) in html
    assert f'content="simlib {sl.__version__}"' in html


def test_scenarios_of_one_name_have_a_hash_each():
    first = sl.Scenario(name="storm")
    scenarios = describe_origin("", first, first.replace(seed=2))["scenarios"]
    assert ["storm", "storm (2)"] == list(scenarios)
    assert 2 == len(set(scenarios.values()))


def test_a_trace_of_another_version_says_which_simlib_wrote_it(here, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("simlib.trace.trace.FILE_VERSION", 99)
        patch.setattr("simlib.__version__", "9.8.7")
        sl.run(sl.load("small.toml")).save("new.parquet")
    with pytest.raises(sl.SimlibError, match=r"of another version of simlib, 9\.8\.7: its file"):
        Trace.load("new.parquet")


def test_files_without_an_origin_are_read_as_before(here):
    trace = sl.run(sl.load("small.toml"))
    trace.save("new.parquet")
    table = pq.read_table("new.parquet")
    metadata = {**table.schema.metadata}
    del metadata[b"simlib.made_by"]
    pq.write_table(table.replace_schema_metadata(metadata), "old.parquet")
    old = Trace.load("old.parquet")
    assert ("", trace.digest()) == (old.made_by, old.digest())


def test_a_table_keeps_its_index_and_its_types_beside_its_origin(here):
    swept = sl.sweep(sl.load("small.toml"), {"clients": [1, 2]}, workers=1)
    swept.save("sweep.parquet")
    pd.testing.assert_frame_equal(swept.table, pd.read_parquet("sweep.parquet"))
