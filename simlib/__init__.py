"""simlib: the resilience of WebSocket clients, simulated, played for real, and compared.

Everything public is here; each name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simlib.api import run as run
    from simlib.api import run_live as run_live
    from simlib.api import run_many as run_many
    from simlib.charts import plots as plots
    from simlib.charts.widgets import explore as explore
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
    from simlib.experiments.replicate import paired as paired
    from simlib.experiments.replicate import replicate as replicate
    from simlib.experiments.sweep import sweep as sweep
    from simlib.lab.infer.chart import waits_chart as waits_chart
    from simlib.lab.infer.infer import infer as infer
    from simlib.lab.observe.observation import Observation as Observation
    from simlib.lab.observe.session import observe as observe
    from simlib.lab.observe.session import observe_live as observe_live
    from simlib.metrics.metrics import summary as summary
    from simlib.scenario.presets import presets as presets
    from simlib.scenario.scenario import Scenario as Scenario
    from simlib.scenario.scenario import dump as dump
    from simlib.scenario.scenario import load as load
    from simlib.scenario.workload import Hint as Hint
    from simlib.scenario.workload import Workload as Workload
    from simlib.studies.capacity.capacity import capacity as capacity
    from simlib.studies.capacity.chart import capacity_chart as capacity_chart
    from simlib.studies.compare.compare import compare as compare
    from simlib.studies.compare.compare import compare_live as compare_live
    from simlib.studies.policy.export import export as export
    from simlib.studies.policy.lint import lint as lint
    from simlib.studies.sensitivity.chart import sensitivity_chart as sensitivity_chart
    from simlib.studies.sensitivity.sensitivity import sensitivity as sensitivity
    from simlib.studies.tune.chart import tuning_chart as tuning_chart
    from simlib.studies.tune.tune import tune as tune
    from simlib.studies.tune.variants import ensemble as ensemble
    from simlib.trace.trace import Trace as Trace

__version__ = "0.1.0"

_WHERE = {
    "Backoff": "core.backoff",
    "Breaker": "core.breaker",
    "Client": "core.client",
    "Disagreement": "core.errors",
    "DraftRules": "core.draft",
    "EngineError": "core.errors",
    "Fallback": "core.fallback",
    "Fault": "core.faults",
    "HeartbeatRules": "core.heartbeat",
    "Herd": "core.herds",
    "Hint": "scenario.workload",
    "Latency": "core.path",
    "MisuseError": "core.errors",
    "Observation": "lab.observe.observation",
    "OutboxLimits": "core.outbox",
    "Path": "core.path",
    "Priority": "core.events",
    "QualityRules": "core.quality",
    "Rate": "core.meters",
    "Scaling": "core.admission",
    "Scenario": "scenario.scenario",
    "ServerSettings": "core.server",
    "SessionRules": "core.session",
    "Settings": "core.client",
    "SettingsError": "core.errors",
    "SimlibError": "core.errors",
    "Stops": "core.stops",
    "Trace": "trace.trace",
    "Workload": "scenario.workload",
    "capacity": "studies.capacity.capacity",
    "capacity_chart": "studies.capacity.chart",
    "compare": "studies.compare.compare",
    "compare_live": "studies.compare.compare",
    "dump": "scenario.scenario",
    "ensemble": "studies.tune.variants",
    "explore": "charts.widgets",
    "export": "studies.policy.export",
    "infer": "lab.infer.infer",
    "lint": "studies.policy.lint",
    "load": "scenario.scenario",
    "observe": "lab.observe.session",
    "observe_live": "lab.observe.session",
    "paired": "experiments.replicate",
    "plots": "charts.plots",
    "presets": "scenario.presets",
    "replicate": "experiments.replicate",
    "run": "api",
    "run_live": "api",
    "run_many": "api",
    "sensitivity": "studies.sensitivity.sensitivity",
    "sensitivity_chart": "studies.sensitivity.chart",
    "summary": "metrics.metrics",
    "sweep": "experiments.sweep",
    "tune": "studies.tune.tune",
    "tuning_chart": "studies.tune.chart",
    "waits_chart": "lab.infer.chart",
}

__all__ = [*_WHERE, "__version__"]  # noqa: PLE0604 - the table is the list


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'simlib' has no attribute {name!r}")
    module = import_module(f"simlib.{_WHERE[name]}")
    value = module if name == "plots" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
