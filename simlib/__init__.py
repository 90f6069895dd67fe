"""simlib: the resilience of WebSocket clients, simulated, played for real, and compared.

Everything public is here; each name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Not lazily: the module has the function's name, and whoever imported it first would hide it.
from simlib.run import run as run
from simlib.run import run_live as run_live
from simlib.run import run_many as run_many

if TYPE_CHECKING:
    from simlib.core.admission import Scaling as Scaling
    from simlib.core.backoff import Backoff as Backoff
    from simlib.core.breaker import Breaker as Breaker
    from simlib.core.client import Client as Client
    from simlib.core.client import Settings as Settings
    from simlib.core.draft import DraftRules as DraftRules
    from simlib.core.errors import Disagreement as Disagreement
    from simlib.core.errors import EngineError as EngineError
    from simlib.core.errors import MisuseError as MisuseError
    from simlib.core.errors import SettingsError as SettingsError
    from simlib.core.errors import SimlibError as SimlibError
    from simlib.core.events import Priority as Priority
    from simlib.core.fallback import Fallback as Fallback
    from simlib.core.faults import Fault as Fault
    from simlib.core.heartbeat import HeartbeatRules as HeartbeatRules
    from simlib.core.herds import Herd as Herd
    from simlib.core.meters import Rate as Rate
    from simlib.core.outbox import OutboxLimits as OutboxLimits
    from simlib.core.path import Latency as Latency
    from simlib.core.path import Path as Path
    from simlib.core.quality import QualityRules as QualityRules
    from simlib.core.server import ServerSettings as ServerSettings
    from simlib.core.session import SessionRules as SessionRules
    from simlib.core.stops import Stops as Stops
    from simlib.lab.infer import infer as infer
    from simlib.lab.observation import Observation as Observation
    from simlib.lab.observe import observe as observe
    from simlib.lab.observe import observe_live as observe_live
    from simlib.policies import presets as presets
    from simlib.scenario import Scenario as Scenario
    from simlib.scenario import dump as dump
    from simlib.scenario import load as load
    from simlib.show import plots as plots
    from simlib.show.capacity import capacity_chart as capacity_chart
    from simlib.show.inference import waits_chart as waits_chart
    from simlib.show.sensitivity import sensitivity_chart as sensitivity_chart
    from simlib.show.tuning import tuning_chart as tuning_chart
    from simlib.show.widgets import explore as explore
    from simlib.study.capacity import capacity as capacity
    from simlib.study.compare import compare as compare
    from simlib.study.compare import compare_live as compare_live
    from simlib.study.ensemble import ensemble as ensemble
    from simlib.study.export import export as export
    from simlib.study.lint import lint as lint
    from simlib.study.metrics import summary as summary
    from simlib.study.replicate import paired as paired
    from simlib.study.replicate import replicate as replicate
    from simlib.study.sensitivity import sensitivity as sensitivity
    from simlib.study.sweep import sweep as sweep
    from simlib.study.tune import tune as tune
    from simlib.trace import Trace as Trace
    from simlib.workload import Hint as Hint
    from simlib.workload import Workload as Workload

__version__ = "0.1.0"

_WHERE = {
    "Backoff": "core.backoff",
    "Breaker": "core.breaker",
    "Client": "core.client",
    "Disagreement": "core.errors",
    "EngineError": "core.errors",
    "Fallback": "core.fallback",
    "Fault": "core.faults",
    "DraftRules": "core.draft",
    "HeartbeatRules": "core.heartbeat",
    "Herd": "core.herds",
    "Hint": "workload",
    "Latency": "core.path",
    "MisuseError": "core.errors",
    "Observation": "lab.observation",
    "OutboxLimits": "core.outbox",
    "Path": "core.path",
    "Priority": "core.events",
    "QualityRules": "core.quality",
    "Rate": "core.meters",
    "Scaling": "core.admission",
    "Scenario": "scenario",
    "ServerSettings": "core.server",
    "SessionRules": "core.session",
    "Settings": "core.client",
    "SettingsError": "core.errors",
    "SimlibError": "core.errors",
    "Stops": "core.stops",
    "Trace": "trace",
    "Workload": "workload",
    "capacity": "study.capacity",
    "capacity_chart": "show.capacity",
    "compare": "study.compare",
    "compare_live": "study.compare",
    "dump": "scenario",
    "ensemble": "study.ensemble",
    "explore": "show.widgets",
    "export": "study.export",
    "lint": "study.lint",
    "infer": "lab.infer",
    "load": "scenario",
    "observe": "lab.observe",
    "observe_live": "lab.observe",
    "plots": "show.plots",
    "paired": "study.replicate",
    "presets": "policies",
    "replicate": "study.replicate",
    "sensitivity": "study.sensitivity",
    "sensitivity_chart": "show.sensitivity",
    "summary": "study.metrics",
    "sweep": "study.sweep",
    "tune": "study.tune",
    "tuning_chart": "show.tuning",
    "waits_chart": "show.inference",
}

__all__ = [*_WHERE, "__version__", "run", "run_live", "run_many"]  # noqa: PLE0604 - the table is the list


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'simlib' has no attribute {name!r}")
    module = import_module(f"simlib.{_WHERE[name]}")
    value = module if name == "plots" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
