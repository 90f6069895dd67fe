"""The whole way: should we change our client's reconnect settings? One command answers."""

import csv

import pytest
from click.testing import CliRunner

import simlib as sl
from simlib.cli import main
from simlib.cli import report as command
from simlib.cli.arguments import shipped_scenarios
from simlib.metrics.markdown import escape_markdown
from tests.studies.small import with_few_rivals

pytest.importorskip("numba")
pytest.importorskip("optuna")

# In full size it takes ten minutes of a processor, and of a busy machine an hour.
pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(3600)]
#: A trial by hand had found it: four times as gentle, and sooner back.
BY_HAND = {
    "client.backoff.base_s": 9,
    "client.backoff.cap_s": 25,
    "client.backoff.spread_fraction": 0.75,
}
BOUND = "peak_after_fault_per_s <= 3 * server.accept_per_s"
SPACE = {
    "client.backoff.base_s": "0.5..20",
    "client.backoff.cap_s": "5..60",
    "client.backoff.spread_fraction": "0.1..0.9",
}


def storm(share=1.0):
    whole = sl.load(shipped_scenarios()["socket_io_storm"])
    return whole.replace(
        {"clients": round(whole.clients * share), "server.accept_per_s": 2_000 * share}
    )


def rows(folder, name):
    """Return the rows of a table of the review by their first cells."""
    with (folder / f"{name}.csv").open(encoding="utf-8") as file:
        heading, *lines = csv.reader(file)
    return {line[0]: dict(zip(heading[1:], line[1:], strict=True)) for line in lines}


def as_said(cell, unit=""):
    """Return a cell of a table as a sentence has it, with its unit after the mean."""
    mean, space, interval = cell.partition(" ")
    return f"{mean}{unit}{space}{interval}"


def test_longer_waits_than_those_of_socket_io_are_gentler_and_have_clients_back_sooner():
    given = storm(1 / 25)
    pair = sl.paired(given, given.replace(BY_HAND), 8, metric="time_to_recover_s_p99", on="fleet")
    assert pair.difference.high < 0.0
    peak = pair.of("peak_after_fault_per_s")
    assert peak.other.mean(peak.metric).value < peak.one.mean(peak.metric).value / 2.0


@pytest.fixture(scope="module", params=[1 / 25, 1.0])
def asked(request, tmp_path_factory):
    """Ask by one command; return the storm, what the command said, and where the review is."""
    folder = tmp_path_factory.mktemp("question")
    given = storm(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        if request.param < 1.0:
            patch.setattr(command, "_TRIALS", 16)
            with_few_rivals(patch)
        arguments = ["report", "socket_io_storm", "--clients", str(given.clients)]
        arguments += ["--set", f"server.accept_per_s={given.server.accept_per_s}"]
        arguments += ["--objective", BOUND, "--replications", "8"]
        arguments += [part for key in SPACE for part in ("--tune", f"{key}={SPACE[key]}")]
        said = CliRunner().invoke(main, arguments)
    return given, said, folder / "out"


def in_words(given):
    return (
        "the worst second after the fault stays at or below three times what the server admits "
        f"({3 * given.server.accept_per_s:,.0f}/s)"
    )


def test_the_command_recommends_the_tuned_policy_which_keeps_the_bound(asked):
    given, said, out = asked
    words = in_words(given)
    assert 0 == said.exit_code, said.output
    sentence = " ".join(said.stdout.split("\n\n")[0].split())
    assert sentence.startswith("Change to tuned (base_s ")
    assert sentence.endswith(f"The policy as given does not keep the bound that {words}.")
    with (out / "review" / "bounds.csv").open(encoding="utf-8") as file:
        verdicts = {(row["policy"], row["bound"]): row["verdict"] for row in csv.DictReader(file)}
    assert "keeps" == verdicts["tuned", words] == verdicts["tuned", "everybody comes back"]
    assert "breaks" == verdicts["as given", words]


def test_the_three_sentences_have_the_numbers_of_the_tables(asked):
    given, said, out = asked
    first, second, third = said.stdout.strip().split("\n\n")
    back = rows(out / "review", "recovery")["time to recover, 99 %, s"]
    load = rows(out / "review", "load")["attempts in the worst second after the fault"]
    first, second = (" ".join(each.split()) for each in (first, second))
    for policy in ("tuned", "as given"):
        assert as_said(back[policy], " s") in first
        assert as_said(load[policy]) in second
    assert in_words(given) in " ".join(third.split())
    markdown = " ".join((out / "review.md").read_text(encoding="utf-8").split())
    for sentence in (first, second):
        assert escape_markdown(sentence) in markdown


def test_what_is_recommended_is_in_no_way_surely_worse_than_what_is_given(asked):
    given, _, out = asked
    policy = sl.load(out / "socket_io_storm" / "tuning" / "policy.toml").client
    tuned = given.replace(client=policy, seed=1000)
    pair = sl.paired(given.replace(seed=1000), tuned, 5, metric="time_to_recover_s_p99", on="fleet")
    for metric in ("time_to_recover_s_p99", "peak_after_fault_per_s", "amplification"):
        assert pair.of(metric).difference.low <= 0.0, metric
