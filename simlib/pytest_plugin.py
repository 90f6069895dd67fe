"""The pytest plugin: a server in trouble, a fault proxy, and what a client's policy is to be.

pytest imports this module whenever simlib is installed, so it imports nothing of simlib: a test
that uses a fixture does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from simlib.lab.bad_server.bad_server import BadServer
    from simlib.lab.fault_proxy.fault_proxy import FaultProxy
    from simlib.lab.infer.inference import Inference


@pytest.fixture
def bad_server() -> Iterator[BadServer]:
    """Give a WebSocket server that the test has refuse, stay silent, close: `BadServer`."""
    from simlib.lab.bad_server.bad_server import BadServer

    with BadServer() as server:
        yield server


@pytest.fixture
def fault_proxy() -> Iterator[Callable[..., FaultProxy]]:
    """Give a maker of proxies: ``fault_proxy("ws://127.0.0.1:8000")`` is a `FaultProxy`."""
    from simlib.lab.fault_proxy.fault_proxy import FaultProxy

    with ExitStack() as proxies:
        yield lambda to, **options: proxies.enter_context(FaultProxy(to, **options))


@pytest.fixture(name="assert_policy")
def give_assertion() -> Callable[..., Inference]:
    """Give `simlib.assert_policy`, which holds a client's policy against what it is to be."""
    from simlib.lab.infer.assert_policy import assert_policy

    def check(*given: Any, **expected: Any) -> Inference:
        __tracebackhide__ = True
        return assert_policy(*given, **expected)

    return check
