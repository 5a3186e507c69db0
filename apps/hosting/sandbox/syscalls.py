"""A filter of system calls for Linux on x86-64: no network, no program, no process, and nothing on the disk changed.

What is refused fails with EPERM, as if the process had no right to it. Elsewhere there is no filter, only the limits.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from typing import Final

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
ARCHITECTURE: Final = 0xC000003E  # x86-64
X32: Final = 0x40000000  # the same calls by other numbers
LOAD, AND, IF_EQUAL, IF_AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSE: Final = 0x00050000 | 1  # EPERM
NUMBER_AT, ARCHITECTURE_AT, FIRST_AT, SECOND_AT, THIRD_AT = 0, 4, 16, 24, 32  # in struct seccomp_data
WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
OPEN, OPENAT, PRLIMIT = 2, 257, 302
REFUSED: Final = {
    "socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "accept4": 288,
    "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "execveat": 322, "clone3": 435,
    "kill": 62, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "pidfd_getfd": 438,
    "truncate": 76, "ftruncate": 77, "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85, "link": 86, "unlink": 87,
    "symlink": 88, "chmod": 90, "fchmod": 91, "chown": 92, "mkdirat": 258, "unlinkat": 263, "renameat": 264,
    "linkat": 265, "symlinkat": 266, "fchmodat": 268, "renameat2": 316, "openat2": 437, "mount": 165, "bpf": 321,
    "tkill": 200, "tgkill": 234, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "pidfd_open": 434,
    "pidfd_send_signal": 424, "mknod": 133, "mknodat": 259, "fchown": 93, "lchown": 94, "fchownat": 260, "setxattr": 188,
    "lsetxattr": 189, "fsetxattr": 190, "utimensat": 280, "setns": 308, "unshare": 272, "chroot": 161, "pivot_root": 155,
    "add_key": 248, "keyctl": 250, "io_uring_setup": 425, "userfaultfd": 323, "perf_event_open": 298,
}  # fmt: skip


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse() -> None:
    """Install the filter for the rest of this process's life; needs ``PR_SET_NO_NEW_PRIVS``. Raises ``OSError``."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or sys.maxsize < 2**32:
        return
    code = b"".join(_program())
    program = _Program(len(code) // 8, code)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "the filter of system calls was not taken")


def _program() -> list[bytes]:
    """Classic BPF; a jump says how many instructions are passed over where the test holds, and where it does not."""
    refused = [
        part for number in REFUSED.values() for part in (_do(IF_EQUAL, number, 0, 1), _do(RETURN, REFUSE))
    ]
    return [
        _do(LOAD, ARCHITECTURE_AT),
        _do(IF_EQUAL, ARCHITECTURE, 1, 0),
        _do(RETURN, KILL),
        _do(LOAD, NUMBER_AT),
        _do(IF_AT_LEAST, X32, 0, 1),
        _do(RETURN, REFUSE),
        *refused,
        *_opening(OPEN, SECOND_AT),
        *_opening(OPENAT, THIRD_AT),
        *_own_limits(),
        _do(RETURN, ALLOW),
    ]


def _opening(number: int, flags_at: int) -> list[bytes]:
    """Refuse to open for writing; to read is allowed, for libraries are loaded when they are needed."""
    return [
        _do(IF_EQUAL, number, 0, 5),
        _do(LOAD, flags_at),
        _do(AND, WRITING),
        _do(IF_EQUAL, 0, 1, 0),
        _do(RETURN, REFUSE),
        _do(RETURN, ALLOW),
    ]


def _own_limits() -> list[bytes]:
    """Limits of this process may be read, as libraries do; another's may not even be looked at."""
    return [
        _do(IF_EQUAL, PRLIMIT, 0, 4),
        _do(LOAD, FIRST_AT),
        _do(IF_EQUAL, 0, 1, 0),
        _do(RETURN, REFUSE),
        _do(RETURN, ALLOW),
    ]


def _do(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)
