"""The GitHub action: its script lints a real repository, compares it with its base branch."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "action" / "pull_request.py"
OLD = """
clients = 5
duration_s = 40
[client.backoff]
jitter = "full"
[client.heartbeat]
interval_s = 25
[workload]
rate_per_s = 0
[[faults]]
kind = "outage"
start_s = 2
stop_s = 6
"""
NEW = OLD.replace('jitter = "full"', 'jitter = "none"\nbase_s = 20')


def git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = subprocess.run(
        ["git", *names, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture
def repository(tmp_path):
    """A repository with a scenario on main, and a branch that changes it and adds another."""
    folder = tmp_path / "a repository"
    scenarios = folder / "scenarios"
    scenarios.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    for name in ("storm", "kept", "gone"):
        (scenarios / f"{name}.toml").write_text(OLD)
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "old")
    git(folder, "switch", "--quiet", "-c", "feature")
    (scenarios / "storm.toml").write_text(NEW)
    (scenarios / "kept.toml").write_text(f"# A comment changes nothing.\n{OLD}")
    (scenarios / "added.toml").write_text(OLD)
    (scenarios / "gone.toml").unlink()
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "new")
    return folder


def play_action(folder: Path, **inputs: str):
    """Run the script as the action does; return the process, and the summary."""
    summary = folder.parent / "summary.md"
    summary.unlink(missing_ok=True)
    given = {"scenarios": "scenarios/**/*.toml", "base": "main", "fail_if": "", "replications": "4"}
    env = {f"SIMLIB_{name.upper()}": value for name, value in (given | inputs).items()}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | env | {"GITHUB_STEP_SUMMARY": str(summary), "PYTHONPATH": str(ROOT)},
        timeout=600,
    )  # fmt: skip
    return done, summary.read_text(encoding="utf-8") if summary.exists() else ""


def test_it_lints_compares_with_the_base_branch_and_writes_the_summary(repository):
    done, summary = play_action(repository, fail_if="last_back_s > +5%\nattempts > +1000\n")
    assert 1 == done.returncode, done.stderr
    assert (
        "::error file=scenarios/storm.toml,line=5,title=simlib lint%3A no-jitter::" in done.stdout
    )
    assert summary.startswith("## simlib\n\n### Lint\n")
    assert "| scenarios/storm.toml:5 | error | no-jitter |" in summary
    assert "### scenarios/storm.toml of main → scenarios/storm.toml" in summary
    assert "- FAILS last\\_back\\_s &gt; +5%: the change is" in summary
    assert "- passes attempts &gt; +1000: the change is" in summary
    assert "| client.backoff.base\\_s | 1 | 20 |" in summary
    assert "scenarios/added.toml is new" in summary
    assert "scenarios/gone.toml is gone" in summary
    assert "1 of 3 files mean the same as before" in summary
    assert "" == git(repository, "status", "--porcelain")


@pytest.mark.slow
def test_a_checkout_of_one_commit_fetches_its_base(repository, tmp_path):
    git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=feature", repository.as_uri(), "clone")
    done, summary = play_action(tmp_path / "clone")
    assert "### scenarios/storm.toml of main → scenarios/storm.toml" in summary, done.stdout


@pytest.mark.slow
def test_what_the_base_did_meanwhile_is_no_change_of_the_branch(repository):
    git(repository, "switch", "--quiet", "main")
    (repository / "scenarios" / "kept.toml").write_text(OLD.replace("stop_s = 6", "stop_s = 9"))
    git(repository, "commit", "--quiet", "-am", "meanwhile")
    git(repository, "switch", "--quiet", "feature")
    _, summary = play_action(repository)
    assert "1 of 3 files mean the same as before" in summary


def test_nothing_wrong_and_nothing_changed_is_status_0(repository):
    git(repository, "switch", "--quiet", "main")
    done, summary = play_action(repository, fail_if="lost > +0")
    assert 0 == done.returncode, done.stdout
    assert "::error" not in done.stdout
    assert "3 of 3 files mean the same as before" in summary


@pytest.mark.slow
def test_without_a_base_it_lints_alone(repository):
    done, summary = play_action(repository, base="")
    assert 1 == done.returncode
    assert "### Against" not in summary


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"scenarios": "nowhere/*.toml"}, "no file matches nowhere/*.toml"),
        ({"scenarios": "/etc/*.toml"}, "a pattern that is none"),
        ({"base": "nobranch"}, "git fetch failed"),
        ({"base": "--upload-pack=touch pwned"}, "git fetch failed"),
        ({"fail_if": "last_back_s > 5%"}, "must be METRIC > +LIMIT"),
        ({"replications": "many"}, "many"),
    ],
)
def test_bad_input_is_one_annotation_with_status_2(repository, inputs, said):
    done, _ = play_action(repository, **inputs)
    assert 2 == done.returncode, done.stderr
    (line,) = [
        line for line in done.stdout.splitlines() if line.startswith("::error title=simlib::")
    ]
    assert said.replace("%", "%25") in line
    assert "Traceback" not in done.stderr
    assert not (repository / "pwned").exists()


@pytest.mark.slow
def test_a_scenario_that_cannot_be_read_is_named(repository):
    (repository / "scenarios" / "storm.toml").write_text("clients = -1\n")
    done, _ = play_action(repository)
    assert 2 == done.returncode
    assert "scenarios/storm.toml: clients = -1" in done.stdout


def test_the_action_runs_the_script_and_writes_no_input_into_a_command():
    yaml = pytest.importorskip("yaml")
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    steps = action["runs"]["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    assert [] == [command for command in commands if "${{" in command]
    assert any("action/pull_request.py" in command for command in commands)
    given = set(re.findall(r"inputs\.([\w-]+)", str(steps)))
    assert given == set(action["inputs"])
    read = set(re.findall(r"SIMLIB_[A-Z_]+", SCRIPT.read_text(encoding="utf-8")))
    assert read == {name for step in steps for name in step.get("env", {})}


def test_the_hook_of_pre_commit_lints_the_files_it_is_for(repository):
    yaml = pytest.importorskip("yaml")
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    files = [
        name for name in git(repository, "ls-files").splitlines() if re.search(hook["files"], name)
    ]
    assert 3 == len(files)
    program, *arguments = hook["entry"].split()
    assert "simlib" == program
    done = subprocess.run(
        [sys.executable, "-m", "simlib", *arguments, *files], cwd=repository, capture_output=True,
        text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert 3 == done.returncode, done.stderr
    assert [] == [name for name in files if f"{name}: " not in done.stdout]
