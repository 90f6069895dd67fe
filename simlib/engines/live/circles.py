"""Circles that an ended WebSocket leaves behind, broken so that its objects are freed at once."""

from __future__ import annotations

from websockets.protocol import Protocol


def break_circles(protocol: Protocol) -> None:
    """Let go of all that a protocol holds which is over; else it waits for the collector.

    It holds its parser and its errors. These hold frames, their own or those that they came
    through, which hold the protocol. The collector comes rarely where it would stop timers.
    """
    protocol.parser.close()
    errors: list[BaseException | None] = [protocol.parser_exc, protocol.handshake_exc]
    while errors:
        if (error := errors.pop()) is not None:
            error.__traceback__ = None
            errors.append(error.__cause__ or error.__context__)
