"""Toxiproxy's toxics: as its clients send them, and the effects that they are here.

Its names, units (milliseconds, kilobytes) and defaults are kept, so that a client library of
Toxiproxy's can steer this proxy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from sys import float_info
from typing import Any

from simlib.core.errors import SettingsError
from simlib.core.validation import nearest
from simlib.lab.fault_proxy.effects import EffectKind, ProxyEffect

_PER_S = 1000.0


@dataclass(frozen=True)
class NamedEffect:
    """A toxic as Toxiproxy has it, and its effect."""

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: Mapping[str, float]
    effect: ProxyEffect

    def to_json(self) -> dict[str, Any]:
        """Return the toxic as the control sends it."""
        named = {"name": self.name, "type": self.type, "stream": self.stream}
        return {**named, "toxicity": self.toxicity, "attributes": dict(self.attributes)}


def parse_named_effect(given: Any, before: NamedEffect | None = None) -> NamedEffect:
    """Return a toxic from what a client sent; ``before``: what it changes.

    Raises
    ------
    SettingsError
        Naming the key, the value and the rule that it breaks.

    Examples
    --------
    >>> named = parse_named_effect({"type": "latency", "attributes": {"latency": 250}})
    >>> named.name, named.effect
    ('latency_downstream', ProxyEffect(up=False, latency_s=0.25))
    """
    if not isinstance(given, dict):
        raise SettingsError("toxic", given, "must be an object with a type and attributes")
    for key, value in given.items():
        if key not in _KEYS:
            raise SettingsError(key, value, f"is no key of a toxic; known are {', '.join(_KEYS)}")
    said = given if before is None else {**before.to_json(), **_without_names(given)}
    kind = said.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        rule = f"must be one of {', '.join(_TYPES)}{nearest(kind, list(_TYPES))}"
        raise SettingsError("type", kind, rule)
    stream = said.get("stream") or "downstream"
    if not isinstance(stream, str) or stream not in _STREAMS:
        raise SettingsError("stream", stream, f"must be {' or '.join(_STREAMS)}")
    name = said.get("name") or f"{kind}_{stream}"
    if not isinstance(name, str) or "/" in name:
        raise SettingsError("name", name, 'must be text without "/"')
    toxicity = _number("toxicity", said.get("toxicity", 1.0), most=1.0)
    defaults, make = _TYPES[kind]
    old = {} if before is None else before.attributes
    attributes = {**defaults, **old, **_attributes(kind, defaults, given.get("attributes", {}))}
    ways: dict[str, Any] = {
        "up": stream == "upstream",
        "down": stream == "downstream",
        "fraction": toxicity,
    }
    effect = ProxyEffect(**(ways | make(attributes)))
    return NamedEffect(name, kind, stream, toxicity, attributes, effect)


def _without_names(given: dict[str, Any]) -> dict[str, Any]:
    # As in Toxiproxy, a change reaches the attributes and the toxicity alone.
    return {key: value for key, value in given.items() if key == "toxicity"}


def _attributes(kind: str, known: Mapping[str, float], given: Any) -> dict[str, float]:
    if not isinstance(given, dict):
        raise SettingsError("attributes", given, "must be an object of numbers")
    for key, value in given.items():
        if key not in known:
            rule = f"is no attribute of {kind}, which has {', '.join(known)}"
            raise SettingsError(f"attributes.{key}", value, rule)
    return {key: _number(f"attributes.{key}", value) for key, value in given.items()}


def _number(key: str, value: Any, most: float = inf) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # No comparison with a nan holds; a whole number may be beyond every float.
    if not is_number or not 0.0 <= value <= min(most, float_info.max):
        bound = "0 or more" if most == inf else f"from 0 to {most:g}"
        raise SettingsError(key, value, f"must be a number, {bound}")
    return float(value)


def _latency(given: Mapping[str, float]) -> dict[str, Any]:
    times = {"latency_s": given["latency"] / _PER_S, "jitter_s": given["jitter"] / _PER_S}
    return {"kind": EffectKind.LATENCY, **times}


def _bandwidth(given: Mapping[str, float]) -> dict[str, Any]:
    rate = given["rate"] * _PER_S
    if not rate:
        return {"kind": EffectKind.HOLD}
    return {"kind": EffectKind.BANDWIDTH, "bandwidth_bytes_per_s": rate}


def _timeout(given: Mapping[str, float]) -> dict[str, Any]:
    end_s = given["timeout"] / _PER_S
    return {"kind": EffectKind.HOLD, "end_after_s": end_s or inf}


def _reset_peer(given: Mapping[str, float]) -> dict[str, Any]:
    return {"kind": EffectKind.RESET, "end_after_s": given["timeout"] / _PER_S}


def _limit_data(given: Mapping[str, float]) -> dict[str, Any]:
    return {"kind": EffectKind.LIMIT, "limit_bytes": int(given["bytes"])}


_KEYS = ("name", "type", "stream", "toxicity", "attributes")
_STREAMS = ("upstream", "downstream")
#: Each type with its attributes and their defaults, and what they are here.
_TYPES: dict[str, tuple[Mapping[str, float], Callable[[Mapping[str, float]], dict[str, Any]]]] = {
    "latency": ({"latency": 0.0, "jitter": 0.0}, _latency),
    "bandwidth": ({"rate": 0.0}, _bandwidth),
    "timeout": ({"timeout": 0.0}, _timeout),
    "reset_peer": ({"timeout": 0.0}, _reset_peer),
    "limit_data": ({"bytes": 0.0}, _limit_data),
}
