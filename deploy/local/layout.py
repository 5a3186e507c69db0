"""Where the local stack keeps its state, and the short folders that Unix sockets need."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.local.accounts import Account, own
from deploy.local.problems import StartProblem

SOCKET_PATH_LIMIT = 107  # bytes in sockaddr_un on Linux, without the closing zero
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Layout:
    """The folders below one state folder (`ALMANAC_VAR`)."""

    var: Path

    @property
    def secrets(self) -> Path:
        return self.var / "secrets"

    @property
    def logs(self) -> Path:
        return self.var / "log"

    @property
    def storage(self) -> Path:
        return self.var / "storage"

    @property
    def artifacts(self) -> Path:
        return self.var / "mlflow"

    @property
    def database(self) -> Path:
        return self.var / "postgres"

    @property
    def redis(self) -> Path:
        return self.var / "valkey"

    @property
    def state_file(self) -> Path:
        return self.var / "stack.json"

    @property
    def lock_file(self) -> Path:
        return self.var / "stack.lock"

    @property
    def announcement(self) -> Path:
        return self.var / "almanac.json"

    def create(self) -> None:
        """Make the folders; the private ones are readable by the owner only."""
        self.var.mkdir(parents=True, exist_ok=True)
        for private in (self.secrets, self.logs, self.storage, self.artifacts, self.redis):
            private.mkdir(mode=0o700, exist_ok=True)
        (self.var / "static").mkdir(exist_ok=True)


def from_environment() -> Layout:
    """The layout below `ALMANAC_VAR`, or below `var/` of the repository."""
    return Layout(Path(os.environ.get("ALMANAC_VAR") or REPOSITORY / "var").absolute())


def short_hash(path: Path) -> str:
    """Eight hexadecimal characters that name a folder."""
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:8]


def socket_folder(preferred: Path, socket_name: str, account: Account | None = None) -> Path:
    """A 0700 folder, owned by `account` (or by us), in which a socket of that name fits in 107 bytes."""
    for folder in _candidates(preferred, account):
        if len(os.fsencode(folder / socket_name)) <= SOCKET_PATH_LIMIT:
            return _private_folder(folder, account)
    raise StartProblem(
        f"No folder short enough for the socket {socket_name} was found (limit: {SOCKET_PATH_LIMIT} bytes).",
        "Set ALMANAC_VAR to a folder with a shorter path.",
    )


def _candidates(preferred: Path, account: Account | None) -> Iterator[Path]:
    yield preferred
    name = f"almanac-{os.getuid() if account is None else account.uid}-{short_hash(preferred)}"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and account is None and os.access(runtime, os.W_OK):
        yield Path(runtime) / name
    yield Path(tempfile.gettempdir()) / name
    yield Path("/tmp") / name  # noqa: S108 - checked below: private, ours, not a link


def _private_folder(folder: Path, account: Account | None) -> Path:
    """Make the folder; refuse one that somebody else put there first."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
        own(folder, account)
    except FileExistsError:
        pass
    found = folder.lstat()
    expected = os.getuid() if account is None else account.uid
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {expected, os.getuid()}:
        raise StartProblem(
            f"{folder} belongs to somebody else.", "Remove it, or set ALMANAC_VAR to another folder."
        )
    own(folder, account)
    folder.chmod(0o700)
    return folder
