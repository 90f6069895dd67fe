"""A live run whose clients are shared among processes."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import simlib as sl
from simlib.cli.app import main
from simlib.core.errors import SettingsError
from simlib.engines.live import child_process, open_files
from simlib.engines.live.target import Target
from simlib.engines.live.worker import Worker
from simlib.engines.live.workers import SharedRun
from simlib.studies.compare.replay import replay
from simlib.trace.columns import Kind
from simlib.trace.trace import Trace

pytestmark = pytest.mark.live
#: A client that nobody lets in waits longer than any attempt takes on a busy machine.
CLIENT = sl.Settings(backoff=sl.Backoff(base_s=0.2, cap_s=0.4), connect_timeout_s=60)
WORKER, SERVER = "simlib.engines.live.worker", "simlib.engines.live.service"

#: A worker that may write a thousand bytes at its end, as on a disk that is full then.
LIMITED = """
import resource, sys
from array import array
from pathlib import Path
from types import SimpleNamespace

import simlib as sl
from simlib.engines.live.worker import Worker
from simlib.trace.trace import Trace

worker = Worker.__new__(Worker)
worker._trace = Trace("live", sl.Scenario())
worker._clock = SimpleNamespace(late_s=array("d", [0.1] * 1000))
worker._rest = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
worker._write_rest()
"""


def scenario(**changes: Any) -> sl.Scenario:
    settings = {
        "clients": 20,
        "duration_s": 5,
        "seed": 11,
        "ramp_s": 0.2,
        "client": CLIENT,
        "workload": sl.Workload(rate_per_s=2, stop_s=4),
        "faults": [sl.Fault("outage", start_s=1.5, stop_s=2)],
    }
    return sl.Scenario(**(settings | changes))


def children(of: int, module: str) -> list[int]:
    """Return the ids of a process's children that run a module."""
    ids = Path(f"/proc/{of}/task/{of}/children").read_text().split()
    return [
        int(each)
        for each in ids
        if module.encode() in Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0")
    ]


def first_waits(trace: Trace) -> dict[int, float]:
    """Return what each client waits after the outage has cut it: its draws decide it alone."""
    rows = trace.frame().query("kind == 'event' and name == 'lost' and attempt == 1")
    first = rows.groupby("client")["wait_s"].first()
    return {int(client): round(float(wait_s), 9) for client, wait_s in first.items()}


def sent(trace: Trace) -> set[tuple[int, int]]:
    rows = trace.frame().query("name == 'send'")
    return set(zip(rows["client"], rows["message"], strict=True))


def test_two_workers_play_the_same_clients_as_one_process_does() -> None:
    played = scenario()
    simulated, shared = sl.run(played), sl.run(played, "live", workers=2)
    assert not shared.partial
    assert [] == shared.notes
    assert set(range(20)) == set(shared.frame().query("name == 'start'")["client"])
    assert sent(simulated) == sent(shared)
    waits_s = first_waits(shared)
    assert len(waits_s) > 10  # a busy machine may have some outside when the outage comes
    expected = first_waits(simulated)
    assert {client: expected[client] for client in waits_s} == waits_s
    result = replay(shared)
    assert ("", result.total) == (result.first, result.matched)


@pytest.mark.slow
def test_rows_of_all_workers_are_one_trace_in_the_order_of_time() -> None:
    trace = sl.run(scenario(), "live", workers=3)
    columns = trace.columns()
    of_clients = columns["kind"] != Kind.SERVER
    assert (np.diff(columns["time_s"][of_clients]) >= 0).all()
    faults = trace.frame().query("kind == 'fault'")["name"].astype(str).tolist()
    assert ["fault_start", "fault_stop"] == faults
    # The server's rows say whose they are: it answers what each client was told of.
    rows = trace.frame()
    processed = rows.query("name == 'process'")
    received = rows.query("name == 'received'")
    keys = ["client", "message"]
    assert set(received[keys].itertuples(index=False, name=None)) <= set(
        processed[keys].itertuples(index=False, name=None)
    )
    assert len(trace.late_s) > 0
    assert trace.work_s > 0


@pytest.mark.slow
def test_a_server_that_crashes_is_found_again_by_all_workers() -> None:
    crash = scenario(faults=[sl.Fault("server_crash", start_s=1.5, stop_s=2)], duration_s=8)
    trace = sl.run(crash, "live", workers=2)
    lost = Counter(trace.frame().query("name == 'lost'")["client"])
    assert {0, 1} == {client % 2 for client in lost}
    assert set(lost) <= set(trace.frame().query("name == 'opened' and time_s > 2")["client"])


def test_a_worker_keeps_no_rows_that_it_has_written(tmp_path: Path) -> None:
    trace = sl.run(scenario(clients=2))
    worker, rows = Worker.__new__(Worker), trace.packed_rows()
    worker._trace, worker._rows = trace, tmp_path / "rows"
    worker._write_rows()
    worker._write_rows()
    assert (rows, 0) == ((tmp_path / "rows").read_bytes(), len(trace))


def test_a_killed_worker_is_named_and_the_rest_is_kept() -> None:
    killed: list[int] = []

    def kill_one(fraction: float) -> None:
        if fraction > 0.3 and not killed:
            killed.append(children(os.getpid(), WORKER)[0])
            os.kill(killed[0], signal.SIGKILL)

    trace = sl.run(scenario(faults=[]), "live", workers=2, progress=kill_one)
    assert trace.partial
    [said] = trace.notes
    assert said.startswith(("Worker 1 of 2 was killed (SIGKILL)", "Worker 2 of 2 was killed"))
    parity = int(said[len("Worker ")]) - 1
    last_s = trace.frame().query("kind != 'server'").groupby("client")["time_s"].max()
    ends = {client % 2: [] for client in range(2)}
    for client, time_s in last_s.items():
        ends[client % 2].append(time_s)
    # What the killed worker had written until then is kept, all of the other's to the end.
    assert 10 == len(ends[parity]) == len(ends[1 - parity])
    assert max(ends[parity]) < max(ends[1 - parity])
    assert [] == children(os.getpid(), WORKER)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_server_ends_the_run_and_is_no_fault_of_the_scenario(workers: int) -> None:
    def kill(fraction: float) -> None:
        if fraction > 0.02:
            for server in children(os.getpid(), SERVER):
                os.kill(server, signal.SIGKILL)

    # It ends as soon as that is known, however long it was to last.
    said = r"^\d+\.\d\d s after the beginning the server process was killed \(SIGKILL\)$"
    with pytest.raises(sl.EngineError, match=said):
        sl.run(scenario(duration_s=1000), "live", workers=workers, progress=kill)
    assert [] == children(os.getpid(), SERVER) == children(os.getpid(), WORKER)


def test_a_worker_that_cannot_write_says_what_to_do() -> None:
    def limit(fraction: float) -> None:
        if fraction > 0.02:
            for worker in children(os.getpid(), WORKER):
                resource.prlimit(worker, resource.RLIMIT_FSIZE, (10_000, 10_000))

    said = "of 2 failed: .*its rows cannot be written: File too large. Make room in .*TMPDIR"
    with pytest.raises(sl.EngineError, match=said):
        sl.run(scenario(duration_s=100, faults=[]), "live", workers=2, progress=limit)
    assert [] == children(os.getpid(), SERVER) == children(os.getpid(), WORKER)


def test_a_worker_s_last_file_is_whole_or_not_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path / "rest.json"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert "OSError: [Errno 27] File too large" in done.stderr
    assert [] == list(tmp_path.iterdir())


@pytest.mark.slow
def test_when_all_workers_are_killed_the_run_fails() -> None:
    def kill_all(fraction: float) -> None:
        if fraction > 0.2:
            for worker in children(os.getpid(), WORKER):
                os.kill(worker, signal.SIGKILL)

    with pytest.raises(sl.EngineError, match="all 2 workers were killed"):
        sl.run(scenario(), "live", workers=2, progress=kill_all)
    assert [] == children(os.getpid(), SERVER)


def script_that_is_interrupted(file: Path, first: str = "") -> str:
    """Return a program that plays for two minutes with two workers, and keeps what was played."""
    play = f"""
        import simlib as sl
        from simlib.trace.trace import Interrupted

        def tell(fraction):
            if fraction > 0.01:
                print("playing", flush=True)

        try:
            sl.run(sl.Scenario(clients=20, duration_s=120), "live", workers=2, progress=tell)
        except Interrupted as interrupted:
            interrupted.trace.save({str(file)!r})
            print("saved", flush=True)
    """
    return textwrap.dedent(first) + textwrap.dedent(play)


#: Workers that do not stop when they are asked to.
HANGS = """
    import asyncio
    from simlib.engines.live.workers import WorkerProcess

    async def hangs(self):
        print("stopping", flush=True)
        await asyncio.sleep(600)

    WorkerProcess.stop = hangs
"""


def test_ctrl_c_keeps_what_all_workers_played_and_leaves_no_process(tmp_path: Path) -> None:
    script = script_that_is_interrupted(tmp_path / "partial.parquet")
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "playing\n"
        workers = children(process.pid, WORKER)
        assert 2 == len(workers)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert 0 == process.wait(300)
    assert "saved" == rest.splitlines()[-1]
    trace = Trace.load(tmp_path / "partial.parquet")
    assert trace.partial
    assert {0, 1} == {client % 2 for client in trace.frame().query("name == 'start'")["client"]}
    assert not any(is_running(worker) for worker in workers)


@pytest.mark.slow
def test_a_second_ctrl_c_kills_workers_that_do_not_stop_and_keeps_their_rows(
    tmp_path: Path,
) -> None:
    script = script_that_is_interrupted(tmp_path / "partial.parquet", HANGS)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        for said in ("playing", "stopping"):
            while process.stdout.readline() != f"{said}\n":
                assert process.poll() is None
            workers = children(process.pid, WORKER)
            process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert 0 == process.wait(300)
    assert "saved" == rest.splitlines()[-1]
    assert Trace.load(tmp_path / "partial.parquet").partial
    assert 2 == len(workers)
    assert not any(is_running(worker) for worker in workers)


def test_workers_end_when_the_process_that_started_them_is_killed() -> None:
    script = textwrap.dedent("""
        import simlib as sl
        tell = lambda fraction: print("playing", flush=True) if fraction > 0.01 else None
        sl.run(sl.Scenario(clients=20, duration_s=120), "live", workers=2, progress=tell)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "playing\n"
        workers = children(process.pid, WORKER)
        process.kill()
    until_s = time.monotonic() + 300
    while any(is_running(worker) for worker in workers):
        assert time.monotonic() < until_s
        time.sleep(0.05)


def is_running(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def test_a_worker_that_does_not_start_is_an_error_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    launched = child_process.ChildProcess.launch.__func__

    async def launch(cls: Any, module: str, *more: Any) -> Any:
        return await launched(cls, "simlib.none" if module == WORKER else module, *more)

    monkeypatch.setattr(child_process.ChildProcess, "launch", classmethod(launch))
    with pytest.raises(sl.EngineError, match=r"worker \d of 2 ended before it said ready: .*none"):
        sl.run(scenario(), "live", workers=2)
    assert [] == children(os.getpid(), SERVER)


@pytest.mark.slow
def test_an_error_in_a_worker_ends_the_run_and_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    send_all = SharedRun._send_all

    def tell_nonsense(run: SharedRun, what: dict[str, Any]) -> None:
        send_all(run, {"begin": "soon"} if "begin" in what else what)

    monkeypatch.setattr(SharedRun, "_send_all", tell_nonsense)
    with pytest.raises(sl.EngineError, match=r"worker \d of 2 failed: TypeError"):
        sl.run(scenario(), "live", workers=2)
    assert [] == children(os.getpid(), WORKER)


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ({"workers": 0}, "workers = 0: must be from 1 to the number of clients"),
        ({"workers": 21}, "which is 20"),
        ({"workers": 2, "processes": [lambda world: iter(())]}, "processes of your own"),
        ({"workers": 2, "target": Target(store=Path("x"))}, "must be 1 with a store"),
        ({"workers": 2, "on": "sim"}, "must be live to be played by workers"),
    ],
)
def test_what_cannot_be_shared_is_refused_before_anything_is_played(asked, wrong) -> None:
    kept = sl.Settings(outbox=sl.OutboxLimits(persist="all"))
    with pytest.raises(SettingsError, match=wrong):
        sl.run(scenario(client=kept), **({"on": "live"} | asked))


@pytest.mark.parametrize(("clients", "workers", "needed"), [(20, 1, 220), (20, 2, 160)])
def test_too_few_open_files_are_told_for_each_process(
    monkeypatch: pytest.MonkeyPatch, clients: int, workers: int, needed: int
) -> None:
    monkeypatch.setattr(open_files.resource, "getrlimit", lambda _: (100, 100))
    with pytest.raises(sl.SimlibError, match=f"{clients} live clients need {needed} open files"):
        open_files.allow_sockets(clients, workers)


def test_the_command_line_has_workers(tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ["run", "first_outage", "--on", "live", "--workers", "2", "--out", str(out)]
    done = CliRunner().invoke(main, [*asked, "--clients", "4", "--set", "duration_s=4"])
    assert (0, None) == (done.exit_code, done.exception)
    trace = Trace.load(out / "trace.parquet")
    assert {0, 1, 2, 3} == set(trace.frame().query("name == 'start'")["client"])
