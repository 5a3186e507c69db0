"""A real granian process in front of an application, and what a client can do to it byte by byte."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Server:
    """Where it listens, and which process of granian's does the work."""

    port: int
    pid: int

    def open_files(self) -> list[str]:
        """What the process holds open of files, also those without a name."""
        found = []
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(os.readlink(link))
        return [path for path in found if path.startswith("/") and not path.startswith("/dev/")]

    def resident_bytes(self) -> int:
        """The process's memory."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


@contextlib.contextmanager
def serving(application: str, log: Path, **environment: str) -> Iterator[Server]:
    """granian with ``application`` (``module:name``), until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    words = ["--interface", "rsgi", "--port", str(port), "--http", "1", "--no-ws", "--runtime-mode", "st"]
    command = [str(Path(sys.executable).with_name("granian")), *words, application]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, stdout=output, stderr=output, env={**os.environ, **environment}
        )
    try:
        until(lambda: _listens(port, process, log))
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield Server(port, int(children[-1]))
    finally:
        process.terminate()
        process.wait(15)


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for ``condition``."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def _listens(port: int, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def raw(port: int, request: bytes, wait_seconds: float = 5) -> bytes:
    """Send bytes as they are and read until the server closes."""
    with socket.create_connection(("127.0.0.1", port), wait_seconds) as connection:
        connection.sendall(request)
        return rest(connection)


def rest(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    return answer


def told(connection: socket.socket, text: bytes) -> bool:
    """Whether ``text`` comes; the connection may stay open after it."""
    answer = b""
    while text not in answer and (piece := connection.recv(65536)):
        answer += piece
    return text in answer


def problem(answer: bytes) -> dict[str, Any]:
    """The problem document of an answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    parsed: dict[str, Any] = json.loads(body)
    assert f"x-request-id: {parsed['request_id']}".encode() in head
    return parsed
