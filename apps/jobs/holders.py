"""Which process holds a job, and whether it lives: who sees it dead need not wait for the end of its lease."""

from __future__ import annotations

import os
import socket

import psutil

SECONDS_APART = 2.0  # a start time is derived from the boot time, which the clock's corrections move


def me() -> str:
    """This process: host, number, and when it began, as numbers are given again."""
    return f"{socket.gethostname()}/{os.getpid()}/{psutil.Process().create_time():.1f}"


def is_dead(holder: str) -> bool:
    """Whether the process was one of this host and is gone; of another host's nothing can be said."""
    host, _, rest = holder.rpartition("/")[0].rpartition("/")
    began = holder.rpartition("/")[2]
    if host != socket.gethostname() or not rest.isdecimal():
        return False
    try:
        process = psutil.Process(int(rest))
        alive = process.status() != psutil.STATUS_ZOMBIE
        return not alive or abs(process.create_time() - float(began)) > SECONDS_APART
    except psutil.NoSuchProcess:
        return True
