"""What parent and child say to each other: JSON objects, each behind its length in four bytes."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any, Final, NoReturn

LENGTH: Final = struct.Struct("!I")
MAX_BYTES: Final = 128 * 1024 * 1024


class Ended(Exception):
    """The other side is gone, or says what is no frame."""


def send(to: socket.socket, message: dict[str, Any], deadline: float | None = None) -> None:
    """Send one object; ``deadline`` is a time of ``time.monotonic``. Raises ``TimeoutError`` and ``Ended``."""
    body = json.dumps(message, separators=(",", ":")).encode()
    to.settimeout(_left(deadline))
    try:
        to.sendall(LENGTH.pack(len(body)) + body)
    except TimeoutError:
        raise
    except OSError as error:
        raise Ended from error


def receive(source: socket.socket, deadline: float | None = None) -> dict[str, Any]:
    """The next object; raises ``TimeoutError`` and ``Ended``."""
    (length,) = LENGTH.unpack(_exactly(source, LENGTH.size, deadline))
    if length > MAX_BYTES:
        raise Ended
    try:
        message = json.loads(_exactly(source, length, deadline), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Ended from error
    if not isinstance(message, dict):
        raise Ended
    return message


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def _exactly(source: socket.socket, length: int, deadline: float | None) -> bytes:
    parts, missing = [], length
    while missing:
        source.settimeout(_left(deadline))
        try:
            part = source.recv(min(missing, 1 << 20))
        except TimeoutError:
            raise
        except OSError as error:
            raise Ended from error
        if not part:
            raise Ended
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
