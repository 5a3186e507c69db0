"""The parent's side of one child: start it, ask it with a deadline, end it."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from apps.datasets.sandbox import runner
from apps.hosting.sandbox import frames
from apps.hosting.sandbox.faults import Fault

START_SECONDS: Final = 20.0
PR_SET_DUMPABLE: Final = 4
# Linux ends a child with the thread that started it, so one thread that never ends starts them all.
_starter: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model-hosts")


class HostEnded(Exception):
    """The child ended while it worked: ``how`` says by what."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class HostTooSlow(Exception):
    """The child gave no answer in time, and was ended."""


class Host:
    """One child process. It answers one request at a time: whoever shares it takes turns."""

    def __init__(self) -> None:
        self._process, self._line = _starter.submit(_start).result()
        try:
            frames.receive(self._line, time.monotonic() + START_SECONDS)
        except (TimeoutError, frames.Ended) as error:
            self.end()
            raise HostEnded("it did not start") from error

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can still be asked."""
        return self._process.poll() is None

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The answer; raises ``Fault``, and ``HostTooSlow`` and ``HostEnded``, after which it is gone."""
        deadline = time.monotonic() + seconds
        try:
            frames.send(self._line, request, deadline)
            answer = frames.receive(self._line, deadline)
        except TimeoutError as error:
            self.end()
            raise HostTooSlow from error
        except frames.Ended as error:
            raise HostEnded(self.end()) from error
        return _read(answer)

    def end(self) -> str:
        """End it, and say how it ended: by a signal of its own making, or by ours."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=0.5 if self._process.poll() is None else 0)
        code = self._process.poll()
        self._process.kill()
        self._process.wait()
        self._line.close()
        return _told(code)


def _start() -> tuple[subprocess.Popen[bytes], socket.socket]:
    _hide()
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - our own module, no text of a user in the command
            [sys.executable, "-m", "apps.hosting.sandbox.child", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            cwd=runner.ROOT,
            env={**runner.environment(), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
    return process, ours


@functools.cache
def _hide() -> None:
    """Let no process of the same user read this one's memory or environment, where the secrets are."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _read(answer: dict[str, Any]) -> dict[str, Any]:
    """What the child says is a stranger's word once native code ran in it: taken for text and numbers, never more."""
    fault, found = answer.get("fault"), answer.get("ok")
    if isinstance(fault, dict):
        raise Fault(str(fault.get("code"))[:40], str(fault.get("detail"))[:500])
    if not isinstance(found, dict):
        raise HostEnded("it gave no answer")
    return found


def _told(code: int | None) -> str:
    if code is None:
        return "it hung up"
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"
