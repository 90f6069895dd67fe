"""Sizes on the wire: measured of python websockets' handshake, and of this project's frames."""

from __future__ import annotations

HANDSHAKE_UP_BYTES, HANDSHAKE_DOWN_BYTES = 264, 303
REQUEST_BYTES, ANSWER_BYTES = 180, 60
PING_BYTES, PONG_BYTES, ASK_BYTES, PUSH_BYTES, CLOSE_BYTES = 6, 2, 45, 45, 4
