"""An HTTP client that costs little beside the server it measures: keep-alive connections, one request after the other."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

Choose = Callable[[], bytes]


@dataclass
class Run:
    """What one load saw: seconds by request, and how often each status came."""

    seconds: float = 0.0
    taken: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def add(self, other: Run) -> None:
        """Pool the figures of another run of the same kind."""
        self.seconds += other.seconds
        self.taken += other.taken
        self.statuses += other.statuses

    def figures(self) -> dict[str, Any]:
        """Percentiles in ms, and requests a second."""
        cuts = statistics.quantiles(self.taken, n=100)
        return {
            "requests": len(self.taken),
            "failed": sum(count for status, count in self.statuses.items() if status != 200),
            "p50_ms": round(cuts[49] * 1000, 3),
            "p95_ms": round(cuts[94] * 1000, 3),
            "p99_ms": round(cuts[98] * 1000, 3),
            "per_second": round(len(self.taken) / self.seconds, 1),
        }


def make_request(url: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """The bytes of a GET, or of a POST where there is a body."""
    parts = urlsplit(url)
    lines = [f"{'POST' if body else 'GET'} {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def run(url: str, request: bytes | Choose, *, connections: int, seconds: float) -> Run:
    """Ask for `seconds` over so many connections, always the same or what `request` chooses each time."""
    parts = urlsplit(url)
    loop, result = asyncio.get_running_loop(), Run()
    choose = request if callable(request) else lambda: request
    began = time.perf_counter()
    clients = [_Client(loop, choose, began + seconds, result) for _ in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, parts.hostname, parts.port)
    await asyncio.gather(*(client.done for client in clients))
    result.seconds = time.perf_counter() - began
    return result


class _Client(asyncio.Protocol):
    def __init__(self, loop: asyncio.AbstractEventLoop, choose: Choose, end: float, result: Run) -> None:
        self.done: asyncio.Future[None] = loop.create_future()
        self._choose, self._end, self._result = choose, end, result
        self._received = bytearray()
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        split = self._received.find(b"\r\n\r\n")
        if split < 0 or len(self._received) < split + 4 + self._body_length(split):
            return
        now = time.perf_counter()
        self._result.taken.append(now - self._began)
        self._result.statuses[int(self._received[9:12])] += 1
        if now >= self._end:
            self.done.set_result(None)
            self._transport.close()
        else:
            self._send()

    def _send(self) -> None:
        self._received.clear()
        self._began = time.perf_counter()
        self._transport.write(self._choose())

    def _body_length(self, split: int) -> int:
        head = bytes(self._received[:split]).lower()
        return int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
