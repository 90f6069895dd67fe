"""Notebooks run, are clean as committed, have more words than code, and check exercises."""

import re
from itertools import pairwise
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


def prose(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def headings(notebook):
    return [line for text in prose(notebook) for line in text.splitlines() if line.startswith("#")]


GUESS = re.compile(r"^guess\w* = None$", re.MULTILINE)
#: A cell that asks a check, and the name of that check.
ASKS = re.compile(r"print\(exercises\.(?!compare_guess)(\w+)\(")
FOLDED = re.compile(
    r"<details><summary>Solution</summary>\n.*```python\n(.+?)```.*</details>", re.DOTALL
)


def exercises_of(notebook):
    """Return the check, the cell and the solution of each exercise, folded in the cell after it."""
    found = []
    for cell, after in pairwise(notebook.cells):
        asked = ASKS.search(cell.source) if cell.cell_type == "code" else None
        if asked:
            folded = FOLDED.fullmatch(after.source)
            assert folded, f"no folded solution below {asked[1]}"
            found.append((asked[1], cell, folded[1].strip()))
    return found


def test_the_notebooks_are_there():
    names = [
        "00_start_here",
        "01_first_outage",
        "02_why_jitter",
        "03_how_do_a_million_come_back",
        "04_what_does_a_breaker_buy",
        "05_what_leaves_the_outbox_first",
        "06_does_every_message_count_once",
        "07_when_to_fall_back",
        "08_what_does_a_lost_session_cost",
        "09_why_does_an_outage_outlive_its_cause",
        "10_does_the_simulation_tell_the_truth",
        "11_what_does_my_client_really_do",
        "12_which_backoff_should_we_ship",
        "13_are_the_claims_true",
    ]
    assert names == [file.stem for file in FILES]


def test_the_list_names_each_notebook_with_its_question_and_its_minutes():
    rows = re.findall(
        r"^\|.*\| \[`(\S+)`\]\(\1\) \| (.+) \| (\d+) \|.*\|$",
        (NOTEBOOKS / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    titles = {file.name: headings(read(file))[0].removeprefix("# ") for file in FILES}
    assert sorted(titles.items()) == sorted((name, title) for name, title, _ in rows)


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


#: The way of each notebook: headings that begin with these words, in this order.
WAY = ["# ", "## The question", "## Assumptions", "## By hand", "## Exercises", "## What we learnt"]
#: And these, whose places differ.
ALSO = ["## One story", "## Many", "## Predict, then run"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_notebook_goes_the_way_of_all(file):
    found = headings(read(file))
    assert found[0].endswith("?")
    places = [next(i for i, head in enumerate(found) if head.startswith(words)) for words in WAY]
    assert sorted(places) == places
    for words in ALSO:
        assert any(head.startswith(words) for head in found), words


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_guess_is_asked_for_before_the_run_that_answers_it(file):
    cells = code_cells(read(file))
    [guess] = [i for i, cell in enumerate(cells) if GUESS.search(cell.source)]
    [answer] = [i for i, cell in enumerate(cells) if "exercises.compare_guess(" in cell.source]
    assert guess < answer <= guess + 2


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_there_are_three_exercises_with_folded_solutions(file):
    notebook = read(file)
    found = exercises_of(notebook)
    assert 3 == len({check for check, _, _ in found}) == len(found)
    shown = "\n".join(text for text in prose(notebook) if not text.startswith("<details>"))
    for number in (1, 2, 3):
        assert 1 == shown.count(f"**{number}.** ")
    for _, cell, solution in found:
        assert solution not in shown
        assert solution not in cell.source


def test_each_check_belongs_to_one_notebook():
    from simlib.course import exercises

    asked = [check for file in FILES for check, _, _ in exercises_of(read(file))]
    assert sorted([*asked, "compare_guess", "play_unknown_network"]) == exercises.__all__


def test_no_function_lives_in_two_notebooks():
    assert not any("def " in cell.source for file in FILES for cell in code_cells(read(file)))


@pytest.mark.few(1)
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


#: A number of the prose that must come from somewhere: one with decimals, or of three digits.
NUMBER = re.compile(r"(?<![\w.,/-])(\d+)(\.\d+)?(?!\w)")
#: Sections whose numbers are given, not found.
GIVEN_IN = ("## The question", "## Assumptions", "## Exercises", "**")
#: Other numbers that are given, or differences that a reader sees.
GIVEN = {
    0: [100],
    2: [999, 2015],
    3: [200],
    6: [300, 400],
    7: [100_000],
    8: [153],
    10: [150],
    11: [7.5],
    12: [2.8, 13.3, 594],
    13: [150, 200, 18_000],
}


def shown(cell):
    """Return a code cell and what is shown below it, as text."""
    texts = [cell.source.replace("_", "")]
    for output in cell.outputs:
        texts.append(output.get("text", ""))
        data = output.get("data", {})
        texts.append(data.get("text/plain", ""))
        html = re.sub(r"<style.*?</style>", " ", data.get("text/html", ""), flags=re.DOTALL)
        texts.append(re.sub(r'src="[^"]*"', " ", html))
    return "\n".join(texts)


def plain_texts(notebook):
    """Return what is shown as plain text alone."""
    data = [output.get("data", {}) for cell in code_cells(notebook) for output in cell.outputs]
    return [each["text/plain"] for each in data if set(each) == {"text/plain"}]


def unfounded(notebook, given):
    """Return the numbers of the prose that no cell shows, nor rounds to."""
    code = "\n".join(shown(cell) for cell in code_cells(notebook))
    known = [
        float(number)
        for number in re.findall(r"\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d{3})", "", code))
    ]
    found = []
    for section in (part for text in prose(notebook) for part in re.split(r"(?m)^(?=## )", text)):
        if section.startswith((*GIVEN_IN, "<details>")):
            continue
        plain = re.sub(r"`[^`]*`|(?<=\d),(?=\d{3})", "", section)
        for digits, decimals in NUMBER.findall(plain):
            number = float(digits + decimals)
            zeros = len(digits) - len(digits.rstrip("0"))
            # A whole number may be rounded at its zeros, but not to a single digit.
            places = 1 - len(decimals) if decimals else min(zeros, len(digits) - 2)
            is_shown = any(abs(number - each) <= 0.501 * 10.0**places for each in known)
            if not (is_shown or number in given or (number < 100 and not decimals)):
                found.append(digits + decimals)
    return found


#: Modules without which a notebook does not run.
NEEDED = {3: ["numba"], 11: ["numba"], 12: ["numba", "optuna", "SALib"], 13: ["numba"]}
#: Those that stay in make test; the others take minutes of a processor together.
QUICK = (0,)


def each_notebook():
    for number, file in NUMBERED.items():
        marks = [pytest.mark.long]
        marks += [pytest.mark.live] if number in (1, 10) else []
        marks += [] if number in QUICK else [pytest.mark.slow]
        yield pytest.param(number, marks=marks, id=file.stem)


@pytest.mark.parametrize("number", [*each_notebook()])
def test_a_notebook_runs_as_it_is_and_its_checks_know_its_solutions(number):
    for name in NEEDED.get(number, []):
        pytest.importorskip(name)
    notebook = read(NUMBERED[number])
    for _, cell, solution in exercises_of(notebook):
        asks = cell.source[cell.source.rindex("print(exercises.") :]
        cell.source += f"\n{solution}\n{asks}"
    verdicts = [text for text in printed(executed(notebook)) if "not yet" in text]
    assert 3 == len(verdicts)
    for text in verdicts:
        unsolved, solved = text.splitlines()
        assert unsolved.startswith("not yet")
        assert solved.startswith("right")
    assert any("no guess yet: " in text for text in printed(notebook))
    assert [] == unfounded(notebook, GIVEN.get(number, []))
    assert [] == [text for text in plain_texts(notebook) if "dtype:" in text], "a table, as text"
