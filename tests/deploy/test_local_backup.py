"""`make restore`: what is there is moved aside, put back when it fails, and `make up` waits for its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apps.console.instance import manifest
from apps.console.instance.manifest import Manifest
from deploy.local import backup, preflight, standing
from deploy.local.layout import Layout
from deploy.local.options import Options
from deploy.local.problems import StartProblem


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    """A state folder with something in it, and a database of one's own, so that no server is started."""
    layout = Layout(tmp_path / "var")
    layout.create()
    (layout.storage / "t_x").mkdir()
    (layout.storage / "t_x" / "file").write_text("old")
    (layout.secrets / "secret_key").write_text("old")
    monkeypatch.setattr("builtins.input", lambda _question: backup.WORD)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    return Options(layout, "127.0.0.1", 8000, "almanac", None, None, None)


@pytest.fixture
def taken(tmp_path: Path) -> Path:
    """A backup with nothing but a secret in it."""
    folder = tmp_path / "backup"
    (folder / "secrets").mkdir(parents=True)
    (folder / "secrets" / "secret_key").write_text("of the backup")
    key = folder / "secrets" / "secret_key"
    file = manifest.File("secrets/secret_key", key.stat().st_size, manifest.digest(key))
    made = Manifest("0", "now", 180000, "almanac", [], [], {}, {}, has_secrets=True, files=[file])
    manifest.write(folder, made)
    return folder


def test_data_is_not_replaced_without_being_told_to(options: Options, taken: Path) -> None:
    with pytest.raises(StartProblem, match=r"There is data in .* FORCE=1"):
        backup.restore(options, str(taken), force=False)
    assert (options.layout.secrets / "secret_key").read_text() == "old"


def test_whoever_types_something_else_changes_nothing(
    options: Options, taken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda _question: "yes")
    assert backup.restore(options, str(taken), force=True) == 1
    assert (options.layout.secrets / "secret_key").read_text() == "old"
    assert not (options.layout.var / preflight.RESTORING).exists()


def test_a_restore_that_fails_puts_back_what_was_there(
    options: Options, taken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_options: Options, *, locked: bool) -> None:
        assert (options.layout.secrets / "secret_key").read_text() == "of the backup"
        assert not list(options.layout.storage.iterdir())
        assert locked
        with pytest.raises(StartProblem, match=r"A restore into .* was ended on its way"):
            preflight.check_no_restore(options.layout.var)
        raise StartProblem("PostgreSQL does not start.", "")

    monkeypatch.setattr(standing, "servers", fail)
    with pytest.raises(StartProblem, match="PostgreSQL does not start"):
        backup.restore(options, str(taken), force=True)
    assert (options.layout.secrets / "secret_key").read_text() == "old"
    assert (options.layout.storage / "t_x" / "file").read_text() == "old"
    preflight.check_no_restore(options.layout.var)
    assert [path.name for path in options.layout.var.glob("*before-restore*")] == []


def test_one_that_was_killed_is_undone_by_the_next(options: Options) -> None:
    layout = options.layout
    aside = layout.var / "storage.before-restore-x"
    layout.storage.rename(aside)
    layout.storage.mkdir()
    (layout.storage / "half").write_text("new")
    filled = [str(layout.storage), str(layout.secrets)]
    moved = {
        str(layout.storage): str(aside),
        str(layout.secrets): str(layout.var / "secrets.before-restore-x"),
    }
    (layout.var / preflight.RESTORING).write_text(json.dumps({"moved": moved, "filled": filled}))
    backup._clear_half_done(layout)
    assert (layout.storage / "t_x" / "file").read_text() == "old"
    assert (layout.secrets / "secret_key").read_text() == "old", "it had not been moved yet"
    assert not (layout.storage / "half").exists()
    preflight.check_no_restore(layout.var)


def test_what_is_no_backup_is_one_line(options: Options, tmp_path: Path, taken: Path) -> None:
    with pytest.raises(StartProblem, match="There is no backup in"):
        backup.restore(options, str(tmp_path / "absent"), force=True)
    with pytest.raises(StartProblem, match="From which backup"):
        backup.restore(options, "", force=True)
    (taken / "secrets" / "secret_key").write_text("changed")
    with pytest.raises(StartProblem, match="is damaged: it is not what was written"):
        backup.restore(options, str(taken), force=True)
    with pytest.raises(StartProblem, match="Where to"):
        backup.backup(options, "", without_secrets=False)
    assert (options.layout.secrets / "secret_key").read_text() == "old"
