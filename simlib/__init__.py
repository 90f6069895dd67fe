"""simlib: the resilience of WebSocket clients, simulated, played for real, and compared.

Everything public is here; each name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Not lazily: the module has the function's name, and whoever imported it first would hide it.
from simlib.run import run as run
from simlib.run import run_live as run_live

if TYPE_CHECKING:
    from simlib.core.backoff import Backoff as Backoff
    from simlib.core.client import Client as Client
    from simlib.core.client import Settings as Settings
    from simlib.core.errors import Disagreement as Disagreement
    from simlib.core.errors import EngineError as EngineError
    from simlib.core.errors import MisuseError as MisuseError
    from simlib.core.errors import SettingsError as SettingsError
    from simlib.core.errors import SimlibError as SimlibError
    from simlib.core.events import Priority as Priority
    from simlib.core.faults import Fault as Fault
    from simlib.core.heartbeat import HeartbeatRules as HeartbeatRules
    from simlib.core.link import Breaker as Breaker
    from simlib.core.link import Fallback as Fallback
    from simlib.core.meters import Rate as Rate
    from simlib.core.outbox import OutboxLimits as OutboxLimits
    from simlib.core.path import Latency as Latency
    from simlib.core.path import Path as Path
    from simlib.core.server import ServerSettings as ServerSettings
    from simlib.scenario import Scenario as Scenario
    from simlib.scenario import Workload as Workload
    from simlib.scenario import dump as dump
    from simlib.scenario import load as load
    from simlib.show import plots as plots
    from simlib.show.widgets import explore as explore
    from simlib.study.compare import compare as compare
    from simlib.study.compare import compare_live as compare_live
    from simlib.study.metrics import summary as summary
    from simlib.trace import Trace as Trace

__version__ = "0.1.0"

_WHERE = {
    "Backoff": "core.backoff",
    "Breaker": "core.link",
    "Client": "core.client",
    "Disagreement": "core.errors",
    "EngineError": "core.errors",
    "Fallback": "core.link",
    "Fault": "core.faults",
    "HeartbeatRules": "core.heartbeat",
    "Latency": "core.path",
    "MisuseError": "core.errors",
    "OutboxLimits": "core.outbox",
    "Path": "core.path",
    "Priority": "core.events",
    "Rate": "core.meters",
    "Scenario": "scenario",
    "ServerSettings": "core.server",
    "Settings": "core.client",
    "SettingsError": "core.errors",
    "SimlibError": "core.errors",
    "Trace": "trace",
    "Workload": "scenario",
    "compare": "study.compare",
    "compare_live": "study.compare",
    "dump": "scenario",
    "explore": "show.widgets",
    "load": "scenario",
    "plots": "show.plots",
    "summary": "study.metrics",
}

__all__ = [*_WHERE, "__version__", "run", "run_live"]  # noqa: PLE0604 - the table is the list


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'simlib' has no attribute {name!r}")
    module = import_module(f"simlib.{_WHERE[name]}")
    value = module if name == "plots" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
