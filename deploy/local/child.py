"""Run before every process of the stack: drop rights, ask to die with the parent, become the program.

Called as `python -I -S child.py PARENT SIGNAL UID GID PROGRAM [ARGUMENT…]`; UID -1 keeps the user.
A program of its own instead of a hook between fork and exec, which is not safe beside threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, death_signal, uid, gid = (int(word) for word in arguments[:4])
    program = arguments[4:]
    os.umask(0o077)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    die_with_parent(death_signal)  # after the change of user, which clears it
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone")
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execvp(program[0], program)  # noqa: S606 - our own command line


def die_with_parent(death_signal: int) -> None:
    """Linux sends us the signal when our parent ends; elsewhere the next start ends what was left over."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)


if __name__ == "__main__":
    main(sys.argv[1:])
