"""`make backup` and `make restore`: `manage.py backup` and `restore` with the embedded servers and their folders."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.local import postgres, preflight, standing
from deploy.local.commands import bound
from deploy.local.layout import REPOSITORY, Layout
from deploy.local.options import Options
from deploy.local.problems import StartProblem
from deploy.local.up import only_one

WORD = "replace everything"
RESTORED_WITH_FAULTS = 2  # the exit code of `manage.py restore` that is not undone


def backup(options: Options, to: str, *, without_secrets: bool) -> int:
    """Back up a running or a stopped stack into a new folder below `to`."""
    if not to:
        raise StartProblem("Where to?", "make backup TO=/path/of/a/folder")
    if not options.layout.var.exists():
        raise StartProblem(f"There is nothing in {options.layout.var} to back up.", "`make up` first.")
    preflight.check_no_restore(options.layout.var)
    words = ["backup", "--to", str(Path(to).absolute()), *(["--without-secrets"] if without_secrets else [])]
    with standing.servers(options) as environments:
        return _manage(environments.manage, words)


def manage(options: Options, words: list[str]) -> int:
    """Any `manage.py` command with the environment of the stack's processes, running or stopped."""
    preflight.check_no_restore(options.layout.var)
    options.layout.create()
    with standing.servers(options) as environments:
        return _manage(environments.manage, words)


def restore(options: Options, source: str, *, force: bool) -> int:
    """Bring a backup into this state folder, which the stack must not be using; then `make up` starts it."""
    if not source:
        raise StartProblem("From which backup?", "make restore FROM=/path/of/the/backup")
    folder, layout = Path(source).absolute(), options.layout
    if standing.is_running(options):
        raise StartProblem(f"Almanac is running on {layout.var}.", "`make down` first.")
    made = _checked(folder)
    layout.create()
    with only_one(layout):
        return _restore(options, folder, made, force)


def _restore(options: Options, folder: Path, made: Any, force: bool) -> int:
    layout = options.layout
    _clear_half_done(layout)
    places = _places(layout, with_secrets=made.has_secrets)
    there = [place for place in places if place.is_dir() and any(place.iterdir())]
    if there and not force:
        raise StartProblem(
            f"There is data in {layout.var}.",
            "Restore into another ALMANAC_VAR, or say FORCE=1 to replace it.",
        )
    if there and not _agreed(there, made):
        print("Nothing was changed.")
        return 1
    with _moving_aside(layout, there, places):
        _place(folder, layout, made)
        with standing.servers(options, locked=True) as environments:
            code = _manage(environments.manage, ["restore", "--from", str(folder), *_force(options, force)])
            if code not in (0, RESTORED_WITH_FAULTS):
                raise StartProblem(
                    "The restore did not end.", "See the line above; what was there is there again."
                )
    print("`make up` starts it.")
    return code


def _force(options: Options, force: bool) -> list[str]:
    """A database of one's own cannot be moved aside; its data goes once that was agreed to."""
    return ["--force", "--yes"] if force and options.database_url else []


def _checked(folder: Path) -> Any:
    """The manifest, with every file compared to it; nothing has been touched yet."""
    from apps.console.instance import manifest
    from apps.console.lines import Lines

    lines = Lines(sys.stdout)
    try:
        made = manifest.read(folder)
        manifest.verify(folder, made, lines)
    except manifest.Problem as problem:
        raise StartProblem(str(problem), "") from problem
    finally:
        lines.end()
    return made


def _places(layout: Layout, *, with_secrets: bool) -> list[Path]:
    """Folders that a restore fills. Secrets that were kept elsewhere and put there first are used, not replaced."""
    data = postgres.locate(layout.database).data
    files = [layout.storage, layout.artifacts, layout.redis / "appendonlydir", layout.var / "stripe"]
    return [data, *files, *([layout.secrets] if with_secrets else [])]


def _agreed(there: list[Path], made: Any) -> bool:
    print(f"These are moved aside and replaced by the backup of {made.created_at}:")
    for place in there:
        print(f"  {place}")
    if not sys.stdin.isatty():
        raise StartProblem(
            "Nobody is there to answer.", "Run it on a terminal, or `make reset FORCE=1` before it."
        )
    return input(f"Type '{WORD}' to go on: ").strip() == WORD


@contextmanager
def _moving_aside(layout: Layout, there: list[Path], places: list[Path]) -> Iterator[None]:
    """What was there gets another name for good, or its own again when the block fails."""
    stamp = f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    moved = {str(place): str(place.with_name(f"{place.name}.{stamp}")) for place in there}
    mark = layout.var / preflight.RESTORING
    mark.write_text(json.dumps({"moved": moved, "filled": [str(place) for place in places]}))
    try:
        for place, aside in moved.items():
            Path(place).rename(aside)
        layout.create()
        yield
    except BaseException:
        _clear_half_done(layout)
        raise
    mark.unlink()
    (layout.var / "marks.json").unlink(missing_ok=True)
    for aside in moved.values():
        print(f"Kept {aside}; delete it when you do not need it.")


def _clear_half_done(layout: Layout) -> None:
    """Remove what an unfinished restore made, and give what it moved its name again. May be done twice."""
    mark = layout.var / preflight.RESTORING
    if not mark.exists():
        return
    noted = json.loads(mark.read_text())
    postgres.end_leftover(postgres.locate(layout.database))
    for place in noted["filled"]:
        aside = noted["moved"].get(place)
        if aside is None or Path(aside).exists():  # else it was not moved yet
            shutil.rmtree(place, ignore_errors=True)
    for place, aside in noted["moved"].items():
        if Path(aside).exists():
            Path(aside).rename(place)
    mark.unlink()
    layout.create()


def _place(folder: Path, layout: Layout, made: Any) -> None:
    """The parts that must be there before the servers start: secrets, queue, the simulator's account."""
    from apps.console.instance import manifest

    def quiet(_line: str) -> None:
        """These are few and small."""

    if not made.has_secrets:
        print("The backup has no secrets: new ones are made, unless your environment gives them.")
    for name, target in (
        ("secrets", layout.secrets),
        ("valkey", layout.redis),
        ("stripe", layout.var / "stripe"),
    ):
        manifest.copy_all(folder, made.below(name), target, name, quiet)


def _manage(variables: Any, words: list[str]) -> int:
    command = [sys.executable, str(REPOSITORY / "manage.py"), *words]
    return subprocess.call(bound(command), env=dict(variables), cwd=REPOSITORY)
