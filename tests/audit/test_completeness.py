"""Every use case that changes something writes a row of the audit log: read from the source, so that a new one is seen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from django.conf import settings

ROOT: Final = Path(settings.BASE_DIR)
RECORD: Final = "apps.audit.services.record"
WRITES: Final = {
    "create",
    "save",
    "delete",
    "bulk_create",
    "get_or_create",
    "update_or_create",
    "execute",
    "aupdate",
}

# Public functions of services that change something and leave no row, and why.
WITHOUT: Final = {
    "apps.accounts.services.sessions.open_log_in": "part of logging in, which leaves the row",
    "apps.accounts.services.sessions.keep_log_in": "part of a change of password, which leaves the row",
    "apps.accounts.services.sessions.note_seen": "when somebody was last seen: bookkeeping of reading, not a change",
    "apps.accounts.services.sessions.end_all_sessions": "part of other use cases, which leave the row",
    "apps.accounts.services.sessions.end_session": "part of logging out, which leaves the row",
    "apps.accounts.services.signing_up.create_user": "part of signing up, accepting and making operators, which leave the row",
    "apps.api_keys.services.note_expiry": "a reminder was sent, which the outbox keeps; the key is as it was",
    "apps.datasets.services.changes.add_in_background": "asks for the job whose change leaves the row",
    "apps.datasets.services.exports.perform_export": "a file of what is there already, gone after a week",
    "apps.datasets.services.files.forget": "part of the tidying of files that nothing names",
    "apps.datasets.services.files.keep": "part of other use cases, which leave the row",
    "apps.datasets.services.sources.fetch_source": "asks for the job whose change leaves the row",
    "apps.datasets.services.upkeep.discard_unused_files": "files that nothing names: the data sets are as they were",
    "apps.datasets.services.upkeep.examine_version": "what is found in a version that stays as it is",
    "apps.datasets.services.uploads.complete_upload": "an upload waits for a day; accepting it leaves the row",
    "apps.datasets.services.uploads.create_from_file": "an upload waits for a day; accepting it leaves the row",
    "apps.datasets.services.uploads.perform_reading": "an upload waits for a day; accepting it leaves the row",
    "apps.datasets.services.versions.add_recipe": "part of creating and of accepting fixes, which leave the row",
    "apps.events.services.emit": "what is to be told of a change, in the transaction of the use case that leaves the row",
    "apps.forecasts.services.forecast": "the ledger's row is the account of a forecast: append-only, with a receipt",
    "apps.hosting.services.asking.predict": "the ledger's row is the account of a prediction: append-only",
    "apps.hosting.services.deleting.forget": "the file of a version whose deletion left the row",
    "apps.jobs.services.enqueue": "part of the use case that asks for the work, which leaves the row",
    "apps.registry.services.choosing.name": "part of promoting, rolling back and publishing, which leave the row",
    "apps.registry.services.mirrored.forget": "what is left of versions whose deletion left the row",
    "apps.registry.services.telling.mirror_later": "MLflow follows a change that left the row",
    "apps.usage.services.charge": "the ledger's row is itself an append-only account",
}


@dataclass
class Function:
    """What a function of ours does by itself, and whom of ours it calls."""

    name: str
    writes: bool = False
    is_passed_on: bool = False  # by a package, from one of its modules
    calls: set[str] = field(default_factory=set)


def test_every_use_case_that_writes_leaves_a_row() -> None:
    functions = everything()
    assert RECORD in functions
    silent = {
        name
        for name in functions
        if is_use_case(name)
        and not functions[name].is_passed_on
        and any(functions[each].writes for each in reach(name, functions))
        if RECORD not in reach(name, functions)
    }
    assert silent == set(WITHOUT)


def test_a_use_case_that_writes_in_silence_is_seen() -> None:
    source = """
from apps.audit import services as audit
from apps.jobs.models import Job

def loud():
    _write()
    audit.record(action="x.changed")

def silent():
    _write()

def harmless(found):
    found.update({"a": 1})

def _write():
    Job.objects.filter(id=1).update(state="x")
"""
    functions = {each.name: each for each in read_source("apps.jobs.services", source)}
    functions[RECORD] = Function(RECORD)
    base = "apps.jobs.services."
    assert RECORD in reach(base + "loud", functions)
    assert RECORD not in reach(base + "silent", functions)
    assert any(functions[each].writes for each in reach(base + "silent", functions))
    assert not any(functions[each].writes for each in reach(base + "harmless", functions))


def everything() -> dict[str, Function]:
    """All functions of ours, also by the names under which packages pass them on."""
    functions = {each.name: each for path in sources() for each in read(path)}
    for path in sources():
        if path.name == "__init__.py":
            package = ".".join(path.relative_to(ROOT).parts[:-1])
            for name, origin in imported(ast.parse(path.read_text())).items():
                if origin in functions:
                    functions[f"{package}.{name}"] = Function(
                        f"{package}.{name}", is_passed_on=True, calls={origin}
                    )
    return functions


def imported(tree: ast.Module) -> dict[str, str]:
    """Names that a module imports, and what they are."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return {each.asname or each.name: f"{node.module}.{each.name}" for node in nodes for each in node.names}


def sources() -> Iterator[Path]:
    """The modules of our own whose functions may write."""
    for folder in ("apps", "tenants"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not {"migrations", "engine", "core"} & set(
                path.parts
            ):  # core deletes from Redis and folders only
                yield path


def is_use_case(name: str) -> bool:
    """Whether it is a public function of a ``services`` module or package."""
    parts = name.split(".")
    at = parts.index("services") if "services" in parts[:-1] else -1
    return (
        at > 0
        and parts[0] != ""
        and not parts[-1].startswith("_")
        and parts[1] != "audit"
        and len(parts) - at <= 3
    )


def reach(name: str, functions: dict[str, Function]) -> set[str]:
    """The function and all that it may call, as far as they are ours."""
    found, waiting = set(), [name]
    while waiting:
        each = waiting.pop()
        if each in functions and each not in found:
            found.add(each)
            waiting += functions[each].calls
    return found


def read(path: Path) -> Iterator[Function]:
    """The top-level functions of a module."""
    relative = path.relative_to(ROOT).with_suffix("")
    parts = relative.parts[:-1] if relative.name == "__init__" else relative.parts
    yield from read_source(".".join(parts), path.read_text())


def read_source(module: str, source: str) -> Iterator[Function]:
    """As ``read``, of a text."""
    tree = ast.parse(source)
    names = imported(tree)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    names |= {node.name: f"{module}.{node.name}" for node in functions}
    for node in functions:
        yield _function(f"{module}.{node.name}", node, names)


def _function(name: str, node: ast.FunctionDef, names: dict[str, str]) -> Function:
    function = Function(name)
    for call in (each for each in ast.walk(node) if isinstance(each, ast.Call)):
        target = call.func
        if isinstance(target, ast.Name):
            function.calls.add(names.get(target.id, target.id))
        elif isinstance(target, ast.Attribute):
            if isinstance(target.value, ast.Name) and target.value.id in names:
                function.calls.add(f"{names[target.value.id]}.{target.attr}")
            function.writes |= _is_write(target.attr, call)
    return function


def _is_write(attribute: str, call: ast.Call) -> bool:
    # A dictionary is updated with a positional argument, rows by keywords.
    return attribute in WRITES or (attribute == "update" and bool(call.keywords) and not call.args)
