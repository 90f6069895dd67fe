"""The page's notebook: its cells run without numpy, and say what the notebook says."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import simlib as sl
from simlib.metrics.words import format_cell
from simlib.site import build
from simlib.site.lesson_page import write_lesson

NOTEBOOK = build._find_first_notebook()
TEMPLATES = Path(build.__file__).parent / "templates"
#: Runs cells as the page's Python does, which has none of these.
SCRIPT = """
import json, sys
for name in ("numpy", "pandas", "matplotlib", "numba", "pyarrow"):
    sys.modules[name] = None
from simlib.site.lesson import run_cell
print(json.dumps([json.loads(run_cell(cell)) for cell in json.load(sys.stdin)]))
"""
#: What a reader writes in the place of what is there.
ANSWERS = {
    "guess": "guess_s = 3.6",
    "exercise-1": "wait_s = 8\nprint(exercises.wait_before_attempt_6(wait_s))",
    "exercise-2": "sooner = full.scenario.replace('client.backoff.cap_s', 4)\n"
    "print(exercises.back_in_4_s(sooner, full.scenario))",
    "exercise-3": "calmer = full.scenario.replace('client.backoff.base_s', 2)\n"
    "print(exercises.calm_first_second(calmer, full.scenario))",
}


def cells():
    """The notebook's code by the cells' ids."""
    written = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return {each["id"]: "".join(each["source"]) for each in written if each["cell_type"] == "code"}


def played():
    """The two runs of the notebook."""
    storm = sl.Scenario(
        clients=200, duration_s=40, faults=[sl.Fault("outage", start_s=10, stop_s=20)],
        client=sl.Settings(backoff=sl.Backoff(base_s=0.5, cap_s=8, jitter="none")),
    )  # fmt: skip
    full = storm.replace("client.backoff.jitter", "full")
    return sl.run(storm, label="no jitter"), sl.run(full, label="full jitter")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """What the page shows below each cell, of the packed sources alone."""
    folder = tmp_path_factory.mktemp("packed")
    build._pack(folder / "packages.zip")
    shutil.unpack_archive(folder / "packages.zip", folder)
    wanted = cells() | ANSWERS | {
        "help": "sl.Backoff?", "wrong": "1 / 0", "other chart": "sl.plots.load(full)",
        "other column": "sl.summary(full)['sent']",
    }  # fmt: skip
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=json.dumps(list(wanted.values())),
        capture_output=True, text=True, check=True, cwd=folder,
        env={"PYTHONPATH": str(folder)},
    )  # fmt: skip
    return dict(zip(wanted, json.loads(found.stdout), strict=True))


@pytest.mark.slow
def test_numbers_charts_and_the_story_are_those_of_the_notebook(shown):
    without, full = played()
    table = sl.summary([without, full])
    chosen = ["attempts", "peak_attempts_per_s", "time_to_recover_s_p50", "time_to_recover_s_p95"]
    rows = [
        [run.label, *(format_cell(float(table[name].iloc[i])) for name in chosen)]
        for i, run in enumerate((without, full))
    ]
    assert {"kind": "table", "heads": chosen, "rows": rows[:1]} == shown["cell-10"][-1]
    assert {"kind": "table", "heads": chosen, "rows": rows} == shown["compare"][-1]
    [chart] = shown["cell-08"]
    assert ["no jitter", "full jitter"] == [label for label, _ in chart["curves"]]
    assert list(table["attempts"]) == [sum(load) for _, load in chart["curves"]]
    told = [line for line in without.story(client=3) if "send" not in line]
    told = [line for line in told if "received" not in line]
    assert [{"kind": "text", "text": "\n".join(told[2:])}] == shown["cell-06"]


def test_a_prediction_is_compared_and_the_checks_judge_answers(shown):
    assert "you guessed 3.6 s, the run says 2.66 s: 0.74 of that" == shown["compare"][0]["text"]
    for name in ("exercise-1", "exercise-2", "exercise-3"):
        [said] = shown[name]
        assert said["text"].startswith("right: ")


def test_the_explorer_opens_the_page_s_own_sliders_with_the_scenario(shown):
    from simlib.site.player import read_address

    [explorer] = shown["cell-13"]
    page, _, scenario = explorer["address"].partition("#")
    assert "index.html" == page
    assert played()[1].scenario == sl.loads(read_address(scenario))


def test_what_the_page_cannot_do_is_said_in_words(shown):
    assert "waits between attempts" in shown["help"][0]["text"]
    assert [{"kind": "error", "text": "ZeroDivisionError: division by zero"}] == shown["wrong"]
    for name in ("other chart", "other column"):
        assert "simlib on your machine has it" in shown[name][0]["text"]


def test_the_page_has_the_notebook_s_words_and_all_its_code():
    page = write_lesson(NOTEBOOK, (TEMPLATES / "start.html").read_text(encoding="utf-8"))
    assert len(cells()) == page.count("<textarea")
    assert "<h1>What happens when the server goes away?</h1>" in page
    assert "&quot;full&quot;" in page
    assert 3 == page.count("<details>")
