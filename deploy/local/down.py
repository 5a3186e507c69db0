"""`make down`, `make reset` and `make logs`: what one does from another terminal."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import psutil

from deploy.local import postgres, state
from deploy.local.layout import Layout
from deploy.local.problems import StartProblem

STOP_SECONDS = 120.0


def down(layout: Layout) -> int:
    """End a running stack in order; then whatever a killed one left behind."""
    noted = state.load(layout.state_file)
    supervisor = noted.supervisor.find() if noted.supervisor else None
    if supervisor:
        print(f"Stopping Almanac (pid {supervisor.pid}) …", flush=True)
        _stop(supervisor)
    left = state.end(state.orphans(noted))
    if left:
        print(f"Ended {left} process(es) that had been left behind.")
    layout.announcement.unlink(missing_ok=True)
    noted.clear()
    print("Stopped." if supervisor or left else "Almanac is not running.")
    return 0


def _stop(supervisor: psutil.Process) -> None:
    try:
        supervisor.send_signal(signal.SIGTERM)
        if state.still_there([supervisor], STOP_SECONDS):
            supervisor.kill()
    except psutil.NoSuchProcess:
        return


def reset(layout: Layout, *, force: bool) -> int:
    """Delete all state, after asking."""
    places = sorted({place for place in (layout.var, *_outside(layout)) if place.exists()})
    if not places:
        print("There is nothing to delete.")
        return 0
    if not force and not _confirmed(places):
        print("Nothing was deleted.")
        return 1
    down(layout)
    for place in places:
        shutil.rmtree(place)
        print(f"Deleted {place}.")
    return 0


def _outside(layout: Layout) -> list[Path]:
    """Folders of the database that could not be below the state folder."""
    return [place for place in postgres.folders(layout.database) if not place.is_relative_to(layout.var)]


def _confirmed(places: list[Path]) -> bool:
    if not sys.stdin.isatty():
        raise StartProblem(
            "`make reset` asks before it deletes, and nobody is there to answer.", "Use FORCE=1."
        )
    print("This deletes the database, models, uploads, logs and secrets in:")
    for place in places:
        print(f"  {place}")
    return input("Type 'yes' to delete: ").strip().lower() == "yes"


def show_logs(layout: Layout) -> int:
    """Follow the logs of all processes until Ctrl-C."""
    files = sorted(str(path) for path in layout.logs.glob("*.log"))
    if not files:
        raise StartProblem(f"There are no logs in {layout.logs} yet.", "`make up` first.")
    os.execvp("tail", ["tail", "-n", "20", "-F", *files])  # noqa: S606 - no shell is wanted
