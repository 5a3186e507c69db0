"""What a child may use. It binds itself before it looks at anything that a stranger made."""

from __future__ import annotations

import ctypes
import resource
import signal
import sys
from typing import Final

from apps.hosting.sandbox import syscalls

MEMORY_BYTES: Final = 1 << 30
CPU_SECONDS: Final = 3600  # of a whole life; how long one answer may take is the parent's to watch
FILES: Final = 32
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38


def bind() -> None:
    """Bound memory, processor time, files and processes; write no file, dump no core, gain no rights, die with the parent."""
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        syscalls.refuse()
