"""The whole program as `make up` starts it, in a folder and on ports of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.console.demo import OPERATOR
from deploy.local.layout import REPOSITORY
from tests.stripe_sim.running import free_port

START_SECONDS, STOP_SECONDS = 300, 60
KEPT = {"PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "NUMBA_CACHE_DIR", "LD_LIBRARY_PATH"}


@dataclass(frozen=True)
class Stack:
    """A running stack: where it is, and who may enter."""

    port: int
    var: Path
    demo: dict[str, Any]

    @property
    def bare(self) -> str:
        """Where people sign up and log in."""
        return f"http://{settings.BASE_DOMAIN}:{self.port}"

    @property
    def api(self) -> str:
        """Where programs ask."""
        return f"http://127.0.0.1:{self.port}"

    def of(self, slug: str) -> str:
        """Where a tenant's pages are."""
        return f"http://{slug}.{settings.BASE_DOMAIN}:{self.port}"

    @property
    def operator(self) -> tuple[str, str]:
        """The operator's e-mail address and password."""
        return OPERATOR, (self.var / "secrets" / "operator_password").read_text().strip()


@contextmanager
def running() -> Iterator[Stack]:
    """A fresh stack that ends with the block; ALMANAC_BROWSER_VAR names the folder of one to use instead."""
    if given := os.environ.get("ALMANAC_BROWSER_VAR"):
        yield _announced(Path(given))
        return
    var = Path(tempfile.mkdtemp(prefix="almanac-", dir="/tmp"))
    try:
        var.chmod(0o755)  # the embedded PostgreSQL runs as another user when we are root
        with _started(var, free_port()):
            yield _announced(var)
    finally:
        shutil.rmtree(var, ignore_errors=True)


@contextmanager
def _started(var: Path, port: int) -> Iterator[None]:
    environment = {name: os.environ[name] for name in KEPT & set(os.environ)}
    environment |= {"ALMANAC_VAR": str(var), "PORT": str(port)}
    command = [sys.executable, "-m", "deploy.local", "up"]
    with (var / "up.out").open("w") as said:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=said, stderr=said)
    try:
        _wait(process, var)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)


def _wait(process: subprocess.Popen[bytes], var: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not (var / "almanac.json").exists():
        said = (var / "up.out").read_text()
        assert process.poll() is None, said
        assert time.monotonic() < end, said
        time.sleep(0.2)


def _announced(var: Path) -> Stack:
    demo = json.loads((var / "almanac.json").read_text())
    return Stack(port=int(demo["url"].rsplit(":", 1)[1]), var=var, demo=demo)
