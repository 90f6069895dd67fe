"""A console in a kernel: an interrupt and a restart leave no process, no thread, no port."""

import time
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

pytestmark = [
    pytest.mark.live,
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
PATIENCE_S = 120
BEGIN = """
import threading, simlib as sl
console = sl.console(sl.Scenario(clients=4, duration_s=300, ramp_s=0))
console.start()
"""
STATE = "print(len([t for t in threading.enumerate() if t.name == 'simlib-console']))"


@pytest.fixture
def kernel():
    """A kernel as notebooks have it, and what talks with it."""
    manager, client = start_new_kernel(startup_timeout=PATIENCE_S, kernel_name="python3")
    try:
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.context.destroy()


def tell(client, code):
    """Run a cell; return what it printed."""
    said = []

    def hear(message):
        if message["msg_type"] == "stream":
            said.append(message["content"]["text"])

    client.execute_interactive(code, timeout=PATIENCE_S, output_hook=hear)
    return "".join(said)


def servers(pid):
    """The ids of the server processes that a kernel has started."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            command = Path(f"/proc/{child}/cmdline").read_bytes().decode()
            if "simlib.engines.live.service" in command:
                found.append(child)
    return found


def wait_until(condition):
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until_s, "it did not come to be"
        time.sleep(0.05)


def begin(manager, client):
    """Begin a run in the kernel; return the kernel's and the server's process."""
    tell(client, BEGIN)
    wait_until(lambda: has_played(client, 0))
    pid = manager.provisioner.pid
    (server,) = servers(pid)
    return pid, server


def interrupt_until_ended(manager, pid):
    """Interrupt the kernel as somebody does who sees that the run still goes on."""

    def is_over():
        manager.interrupt_kernel()
        time.sleep(0.5)
        return servers(pid) == []

    wait_until(is_over)


def has_played(client, time_s):
    """Whether the run has come so far."""
    return tell(client, f"print(console.twin.end_s > {time_s})") == "True\n"


def test_an_interrupt_of_the_idle_kernel_ends_the_run(kernel):
    manager, client = kernel
    pid, _ = begin(manager, client)
    interrupt_until_ended(manager, pid)
    wait_until(lambda: tell(client, STATE) == "0\n")
    assert "300.0\n" != tell(client, "print(console.trace.end_s)")


def test_one_interrupt_of_another_cell_ends_that_and_the_run(kernel):
    manager, client = kernel
    pid, _ = begin(manager, client)
    wait_until(lambda: has_played(client, 3))  # it listens since its first picture
    client.execute("import time; print('sleeping', flush=True); time.sleep(600)")
    wait_until(
        lambda: "sleeping" in client.get_iopub_msg(timeout=PATIENCE_S)["content"].get("text", "")
    )
    manager.interrupt_kernel()
    wait_until(lambda: servers(pid) == [])
    wait_until(lambda: tell(client, STATE) == "0\n")


def test_a_restart_ends_the_run(kernel):
    manager, client = kernel
    _, server = begin(manager, client)
    manager.restart_kernel()
    wait_until(lambda: not Path(f"/proc/{server}").exists())


@pytest.mark.slow
def test_a_kernel_that_is_killed_leaves_no_server(kernel):
    manager, client = kernel
    _, server = begin(manager, client)
    manager.restart_kernel(now=True)
    wait_until(lambda: not Path(f"/proc/{server}").exists())


@pytest.mark.slow
def test_the_run_goes_on_while_another_cell_computes(kernel):
    manager, client = kernel
    begin(manager, client)
    said = tell(
        client,
        "import time\n"
        "until_s, before_s = time.monotonic() + 60, console.twin.end_s\n"
        "while console.twin.end_s < before_s + 1 and time.monotonic() < until_s: pass\n"
        "print(console.twin.end_s >= before_s + 1)",
    )
    assert "True\n" == said
