"""PostgreSQL refuses to run as root: the unprivileged account it gets, and what that account reaches."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from deploy.local.problems import StartProblem

NAMES = ("almanac", "nobody")


@dataclass(frozen=True)
class Account:
    """A user of the operating system that a server runs as."""

    name: str
    uid: int
    gid: int


def service_account() -> Account | None:
    """The account for servers when we are root; None when we are not, and servers simply run as us."""
    if os.geteuid() != 0:
        return None
    for name in NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise StartProblem(
        "PostgreSQL does not run as root, and neither of the users 'almanac' and 'nobody' exists.",
        "Create one with `useradd --system almanac`, or start as an ordinary user.",
    )


def reaches(account: Account | None, folder: Path) -> bool:
    """Whether the account may pass through the folder and its parents (missing ones count as passable)."""
    if account is None:
        return True
    resolved = folder.resolve()
    return all(_passable(account, step) for step in (resolved, *resolved.parents) if step.exists())


def _passable(account: Account, folder: Path) -> bool:
    found = folder.stat()
    if found.st_uid == account.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == account.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def own(path: Path, account: Account | None) -> None:
    """Give one path to the account."""
    if account is not None:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
