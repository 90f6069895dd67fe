"""Notebooks run, are clean as committed, have more words than code, and check exercises."""

import re
from pathlib import Path
from statistics import median

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FILES = sorted(NOTEBOOKS.glob("*.ipynb"))
#: The notebooks by their numbers.
NUMBERED = {int(file.name[:2]): file for file in FILES}
#: Starting a kernel warns of its own transport; nothing of ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SOLUTIONS = {
    "longest_wait_s = None": "longest_wait_s = 1.2",
    "never_polls = scenario": (
        'never_polls = scenario.replace("client.fallback.after_attempts", float("inf"))'
    ),
    'quicker = scenario.replace("client.backoff.cap_s", 1)': (
        'quicker = scenario.replace("client.backoff.cap_s", 1)'
        '.replace("client.breaker.trip_after", float("inf"))'
    ),
}


CLAIM_SOLUTIONS = {
    "places = None": "places = 170",
    "quicker = scenario": 'quicker = scenario.replace("client.breaker.trip_after", float("inf"))',
}
STORM_SOLUTIONS = {
    "door_per_s = None": "door_per_s = 50_000",
    "calmer = hasty": 'calmer = hasty.replace("client.backoff.cap_s", 15)',
    "gentle = crowds[2]": 'gentle = crowds[2].replace("client.backoff.base_s", 2)',
}


CLIENT_SOLUTIONS = {
    "attempt = None": "attempt = 5",
    "mended = storm.replace(client=told.client)": (
        "mended = storm.replace(client=told.client)"
        '.replace("client.backoff.jitter_place", "after_cap")'
    ),
}


REVIEW_SOLUTIONS = {
    "spread_s = None": "spread_s = 2_400 / 180",
    "w_s = None": "w_s = np.e * 600 / 180",
    "doubled = shipped.replace(clients=1_200)": (
        "doubled = shipped.replace(clients=1_200)"
        '.replace("client.backoff.base_s", 4).replace("client.backoff.add_most_s", 12)'
    ),
}


def read(file):
    import nbformat  # takes four seconds: whoever only collects the tests does without

    return nbformat.read(file, as_version=4)


@pytest.fixture(autouse=True)
def notebook_display(monkeypatch):
    """Let kernels show charts inline, whatever the tests' own backend is."""
    monkeypatch.delenv("MPLBACKEND", raising=False)


#: What draws: each cell that has one shows a picture, and no other cell does.
CHARTS = re.compile(r"\bplots\.\w+\(|\w+_chart\(")


def executed(notebook):
    """Run a notebook, and see that its cells show the charts that they draw, each once."""
    from nbclient import NotebookClient

    resources = {"metadata": {"path": str(NOTEBOOKS)}}
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources=resources).execute()
    cells = code_cells(notebook)
    drawn = [len(CHARTS.findall(cell.source)) for cell in cells]
    assert drawn == [len(pictures(cell)) for cell in cells]
    return notebook


def pictures(cell):
    """Return the pictures below a cell, each as a page with its description."""
    shown = [output["data"] for output in cell.outputs if "image/png" in output.get("data", {})]
    assert all('alt="' in data["text/html"] for data in shown)
    return [data["text/html"] for data in shown]


def printed(notebook):
    """Return what each cell printed."""
    return [
        "".join(output["text"] for output in cell.outputs if output.get("name") == "stdout")
        for cell in code_cells(notebook)
    ]


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_notebooks_are_there():
    names = [
        "00_start_here",
        "01_first_outage",
        "03_how_do_a_million_come_back",
        "11_what_does_my_client_really_do",
        "12_which_backoff_should_we_ship",
        "13_are_the_claims_true",
    ]
    assert names == [file.stem for file in FILES]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_outputs_are_stripped(file):
    for cell in code_cells(read(file)):
        assert ([], None) == (cell.outputs, cell.execution_count)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_cells_are_short_and_there_are_more_words_than_code(file):
    notebook = read(file)
    lines = [len(cell.source.splitlines()) for cell in code_cells(notebook)]
    assert max(lines) <= 12
    assert median(lines) <= 3
    words = {"markdown": 0, "code": 0}
    for cell in notebook.cells:
        words[cell.cell_type] += len(cell.source.split())
    assert words["markdown"] > words["code"]


def test_no_function_lives_in_two_notebooks():
    assert not any("def " in cell.source for file in FILES for cell in code_cells(read(file)))


@pytest.mark.long
def test_notebook_00_runs():
    notebook = executed(read(NUMBERED[0]))
    assert any("lost: reset -> waiting 0.500 s" in text for text in printed(notebook))
    [chart] = [picture for cell in code_cells(notebook) for picture in pictures(cell)]
    assert "no jitter: highest 200 at " in chart


@pytest.mark.parametrize("backend", [None, "agg"], ids=["inline", "agg"])
def test_a_chart_shows_itself_once_in_a_notebook_whatever_the_backend(monkeypatch, backend):
    from nbformat import v4

    if backend is not None:
        monkeypatch.setenv("MPLBACKEND", backend)
    cells = [
        "import simlib as sl\nrun = sl.run(sl.Scenario(clients=3, duration_s=9))",
        "sl.plots.attempts(run)",
        "axes = sl.plots.states(run)\naxes.figure",
        "from simlib.studies.policy import chart\nchart.policies_chart({'a': sl.Backoff()})",
    ]
    cells = [v4.new_code_cell(each) for each in cells]
    executed(v4.new_notebook(cells=cells))


def check_exercises(notebook, solutions):
    """Run each exercise as it stands and solved, in one run: its check must tell them apart."""
    for cell in code_cells(notebook):
        for line, solution in solutions.items():
            if line in cell.source:
                unsolved = cell.source
                cell.source = f"{unsolved}\n{unsolved.replace(line, solution)}"
    verdicts = [text for text in printed(executed(notebook)) if "not yet" in text]
    assert len(verdicts) == len(solutions)
    for text in verdicts:
        unsolved, solved = text.splitlines()
        assert unsolved.startswith("not yet")
        assert solved.startswith("right")


# The first two stay in make test; the others take a minute or two of a processor together.
@pytest.mark.live
@pytest.mark.long
def test_notebook_01_runs_unsolved_and_its_checks_know_the_solutions():
    check_exercises(read(NUMBERED[1]), SOLUTIONS)


@pytest.mark.long
@pytest.mark.slow
def test_notebook_13_runs_unsolved_and_its_checks_know_the_solutions():
    check_exercises(read(NUMBERED[13]), CLAIM_SOLUTIONS)


@pytest.mark.long
@pytest.mark.slow
def test_notebook_03_runs_unsolved_and_its_checks_know_the_solutions():
    pytest.importorskip("numba")
    check_exercises(read(NUMBERED[3]), STORM_SOLUTIONS)


@pytest.mark.long
@pytest.mark.slow
def test_notebook_11_runs_unsolved_and_its_checks_know_the_solutions():
    pytest.importorskip("numba")
    check_exercises(read(NUMBERED[11]), CLIENT_SOLUTIONS)


@pytest.mark.long
@pytest.mark.slow
def test_notebook_12_runs_unsolved_and_its_checks_know_the_solutions():
    for name in ("numba", "optuna", "SALib"):
        pytest.importorskip(name)
    check_exercises(read(NUMBERED[12]), REVIEW_SOLUTIONS)
