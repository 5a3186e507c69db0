"""A stack of two sleeping processes, each with a child, for tests that kill its supervisor."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from deploy.local import state
from deploy.local.layout import Layout
from deploy.local.supervisor import Process, Supervisor

# A process that starts another one and waits; both would live for a minute.
SLEEPER = (
    "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).wait()"
)


async def ready() -> bool:
    return True


def sleeper(name: str, layout: Layout, code: str = SLEEPER) -> Process:
    environment = {**os.environ, "ALMANAC_VAR": str(layout.var)}
    return Process(name, [sys.executable, "-c", code], environment, ready, stop_seconds=2)


async def main(layout: Layout) -> None:
    noted = state.State(layout.state_file, state.describe("supervisor", os.getpid()), "http://test")
    supervisor = Supervisor(noted, layout.logs, print)
    for name in ("one", "two"):
        await supervisor.start(sleeper(name, layout))
    sys.stdout.write("started\n")
    sys.stdout.flush()
    await supervisor.run()


if __name__ == "__main__":
    chosen = Layout(Path(sys.argv[1]))
    chosen.create()
    asyncio.run(main(chosen))
