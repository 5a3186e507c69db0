"""Command lines of programs that must not outlive the process that starts them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.local.accounts import Account

SHIM = Path(__file__).with_name("child.py")


def bound(
    program: Sequence[str], account: Account | None = None, death_signal: int = signal.SIGTERM
) -> list[str]:
    """The command line that runs `program` as `account` and sends it `death_signal` when we end."""
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    words = [os.getpid(), int(death_signal), uid, gid]
    return [sys.executable, "-I", "-S", str(SHIM), *map(str, words), *program]
