"""The HTTP control of a fault proxy, with Toxiproxy's verbs; for programs of this machine alone.

A page of another origin that a browser of this machine shows may send requests here too. They name
their origin, or come under a host name of their own (DNS rebinding), and are refused.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simlib import __version__
from simlib.core.errors import SettingsError
from simlib.lab.fault_proxy.effects import EffectKind, ProxyEffect
from simlib.lab.fault_proxy.named_effects import NamedEffect, parse_named_effect
from simlib.lab.fault_proxy.relay import Relay

#: What the proxy is called in the addresses.
PROXY = "simlib"
#: The effect of a proxy that is not enabled.
_DISABLED = "disabled"
_LONGEST_BODY_BYTES, _SHOWN_BYTES = 100_000, 80
_Handler = Callable[[Request], Awaitable[Response]]


class ProxyControl:
    """Answers the requests that steer a proxy."""

    def __init__(self, relay: Relay, listen: str, note: Callable[[str], None]) -> None:
        self._relay = relay
        self._listen = listen
        self._note = note
        self._named_effects: dict[str, NamedEffect] = {}
        self._hosts: set[str] = set()

    def app(self, port: int) -> Starlette:
        """Return the application, for requests to a port of this machine."""
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        one, named_effects = f"/proxies/{PROXY}", f"/proxies/{PROXY}/toxics"
        return Starlette(
            routes=[
                self._route("/version", self._version, "GET"),
                self._route("/statistics", self._statistics, "GET"),
                self._route("/reset", self._reset, "POST"),
                self._route("/proxies", self._proxies, "GET"),
                self._route(one, self._proxy, "GET"),
                self._route(one, self._change_proxy, "POST", "PATCH"),
                self._route(named_effects, self._list_effects, "GET"),
                self._route(named_effects, self._add_effect, "POST"),
                self._route(f"{named_effects}/{{toxic}}", self._show_effect, "GET"),
                self._route(f"{named_effects}/{{toxic}}", self._change_effect, "POST", "PATCH"),
                self._route(f"{named_effects}/{{toxic}}", self._remove_effect, "DELETE"),
                self._route("/proxies/{proxy:path}", self._unknown_proxy, *_METHODS),
            ],
        )

    def _route(self, path: str, handler: _Handler, *methods: str) -> Route:
        async def answer(request: Request) -> Response:
            if refusal := self._refuse_strangers(request):
                return refusal
            try:
                return await handler(request)
            except SettingsError as error:
                return _error(str(error), 400)

        return Route(path, answer, methods=list(methods))

    def _refuse_strangers(self, request: Request) -> Response | None:
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if host.lower() not in self._hosts:
            return _error(f'Host = "{host}": must be this machine: {min(self._hosts)}', 403)
        if origin is not None and origin.lower() not in {f"http://{each}" for each in self._hosts}:
            return _error(f'Origin = "{origin}": no other page may steer the proxy', 403)
        return None

    async def _version(self, request: Request) -> Response:
        return JSONResponse({"version": f"simlib {__version__}"})

    async def _statistics(self, request: Request) -> Response:
        return JSONResponse(self._relay.statistics.to_json())

    async def _reset(self, request: Request) -> Response:
        self._named_effects.clear()
        self._relay.restore()
        self._note("control: reset")
        return Response(status_code=204)

    async def _proxies(self, request: Request) -> Response:
        return JSONResponse({PROXY: self._describe()})

    async def _proxy(self, request: Request) -> Response:
        return JSONResponse(self._describe())

    async def _change_proxy(self, request: Request) -> Response:
        given = await _body(request)
        now = self._describe()
        for key, value in given.items():
            if key != "enabled" and value != now.get(key):
                rule = "cannot be changed here: only enabled can, to true or false"
                raise SettingsError(key, value, rule)
        enabled = given.get("enabled", now["enabled"])
        if not isinstance(enabled, bool):
            raise SettingsError("enabled", enabled, "must be true or false")
        if not enabled:
            self._relay.begin(_DISABLED, ProxyEffect(kind=EffectKind.REFUSE))
        elif not now["enabled"]:
            self._relay.end(_DISABLED)
        self._note(f"control: {'enabled' if enabled else 'disabled'}")
        return JSONResponse(self._describe())

    async def _list_effects(self, request: Request) -> Response:
        return JSONResponse(self._describe()["toxics"])

    async def _add_effect(self, request: Request) -> Response:
        named = parse_named_effect(await _body(request))
        if named.name in self._find_acting():
            return _error(f'name = "{named.name}": there is a toxic of this name already', 409)
        return self._begin(named)

    async def _show_effect(self, request: Request) -> Response:
        named = self._find(request)
        return _say_no_effect(request) if named is None else JSONResponse(named.to_json())

    async def _change_effect(self, request: Request) -> Response:
        before = self._find(request)
        if before is None:
            return _say_no_effect(request)
        return self._begin(parse_named_effect(await _body(request), before))

    async def _remove_effect(self, request: Request) -> Response:
        named = self._find(request)
        if named is None:
            return _say_no_effect(request)
        del self._named_effects[named.name]
        self._relay.end(_effect_name(named.name))
        self._note(f"control: {named.name} ends")
        return Response(status_code=204)

    async def _unknown_proxy(self, request: Request) -> Response:
        name = request.path_params["proxy"]
        return _error(f'proxy = "{name}": is not there; this command has one, "{PROXY}"', 404)

    def _begin(self, named: NamedEffect) -> Response:
        self._named_effects[named.name] = named
        self._relay.begin(_effect_name(named.name), named.effect)
        self._note(f"control: {named.name} begins")
        return JSONResponse(named.to_json())

    def _find_acting(self) -> dict[str, NamedEffect]:
        """Return the toxics that act: a restore by a key ends them too."""
        acting = self._relay.effects
        self._named_effects = {
            name: named
            for name, named in self._named_effects.items()
            if _effect_name(name) in acting
        }
        return self._named_effects

    def _find(self, request: Request) -> NamedEffect | None:
        return self._find_acting().get(request.path_params["toxic"])

    def _describe(self) -> dict[str, Any]:
        host, port = self._relay.target
        return {
            "name": PROXY,
            "listen": self._listen,
            "upstream": f"{host}:{port}",
            "enabled": _DISABLED not in self._relay.effects,
            "toxics": [named.to_json() for named in self._find_acting().values()],
        }


_METHODS = ("GET", "POST", "PATCH", "DELETE", "PUT")


def _effect_name(named: str) -> str:
    return f"toxic {named}"


def _say_no_effect(request: Request) -> Response:
    return _error(f'toxic = "{request.path_params["toxic"]}": is not there', 404)


def _error(words: str, status: int) -> Response:
    return JSONResponse({"error": words, "status": status}, status)


async def _body(request: Request) -> dict[str, Any]:
    read = b""
    async for part in request.stream():
        read += part
        if len(read) > _LONGEST_BODY_BYTES:
            raise SettingsError(
                "body", len(read), f"must have {_LONGEST_BODY_BYTES:,} bytes or less"
            )
    try:
        given = json.loads(read)
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            "body", read[:80].decode(errors="replace"), f"is not JSON: {error}"
        ) from error
    if not isinstance(given, dict):
        raise SettingsError("body", given, "must be a JSON object")
    return given


class _Server(uvicorn.Server):
    """A server that leaves signals to the command that runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_control(
    control: ProxyControl, listener: socket.socket, over: asyncio.Event
) -> None:
    """Answer requests until it is over."""
    app = control.app(listener.getsockname()[1])
    config = uvicorn.Config(
        app, lifespan="off", log_level="critical", access_log=False, ws="none", timeout_keep_alive=5
    )
    server = _Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    await over.wait()
    server.should_exit = server.force_exit = True
    await serving
