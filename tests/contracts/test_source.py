"""What no file of the program may do, found in its syntax trees."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
FOLDERS = ("apps", "config", "deploy", "tenants")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
MLFLOW = "apps/registry/mlflow_store.py"
# Names of the library's own switches between schemas; ours is tenant_scope.
SWITCHES = {
    "schema_context",
    "tenant_context",
    "set_tenant",
    "set_schema",
    "set_schema_to_public",
    "tenant_required",
}
MAY_SWITCH = {
    "tenants/postgresql/base.py",
    "tenants/replay.py",
}  # migrates schemas as the owner, by the library's own alias
UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def words(path: Path) -> set[str]:
    """Every identifier and attribute of a file."""
    found = {node.id for node in ast.walk(tree(path)) if isinstance(node, ast.Name)}
    return found | {node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)}


def test_there_is_source_to_read() -> None:
    assert len(FILES) > 150


def test_only_tenant_scope_switches_the_schema() -> None:
    guilty = {name(path): sorted(found) for path in FILES if (found := words(path) & SWITCHES)}
    assert set(guilty) <= MAY_SWITCH, guilty


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_tenant_is_never_a_context_by_itself(folder: str) -> None:
    """``with tenant:`` is the library's way; it leaks between threads."""
    guilty = [
        f"{name(path)}:{node.lineno}"
        for path in FILES
        if name(path).startswith(folder)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.With | ast.AsyncWith)
        for item in node.items
        if not isinstance(item.context_expr, ast.Call)
        and ast.unparse(item.context_expr).rpartition(".")[2] in {"tenant", "key", "schema"}
    ]
    assert guilty == []


def test_nothing_is_pickled() -> None:
    guilty = {
        name(path): module
        for path in FILES
        for module in imported(path)
        if module.partition(".")[0] in UNSAFE
    }
    assert guilty == {}
    loads = [name(path) for path in FILES if "allow_pickle=True" in path.read_text()]
    assert loads == []


def test_only_the_store_imports_mlflow() -> None:
    guilty = {
        name(path) for path in FILES for module in imported(path) if module.partition(".")[0] == "mlflow"
    }
    assert guilty == {MLFLOW}


def test_the_store_loads_no_model_through_mlflow() -> None:
    modules = set(imported(ROOT / MLFLOW))
    assert not any(
        module.startswith(("mlflow.pyfunc", "mlflow.sklearn", "mlflow.lightgbm")) for module in modules
    )
    assert not {"load_model", "download_artifacts"} & words(ROOT / MLFLOW)


def test_tasks_are_sent_only_by_the_dispatcher_with_their_queue() -> None:
    sends = {
        f"{name(path)}"
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in {"apply_async", "send_task"}
    }
    assert sends <= {
        "apps/jobs/dispatch.py",
        "deploy/local/ping.py",
    }
    guilty = [
        f"{name(path)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "delay"
    ]
    assert guilty == []


def test_no_use_case_hides_behind_a_signal_or_a_save() -> None:
    guilty = []
    for path in FILES:
        if name(path) in {"config/celery.py"} or name(path).startswith("deploy/"):
            continue
        if any(
            module.startswith("django.db.models.signals") or module == "django.dispatch"
            for module in imported(path)
        ):
            guilty.append(f"{name(path)}: signals")
        guilty += [
            f"{name(path)}: {node.name}.save"
            for node in ast.walk(tree(path))
            if isinstance(node, ast.ClassDef)
            and any(isinstance(each, ast.FunctionDef) and each.name == "save" for each in node.body)
        ]
    assert guilty == []


def test_functions_stay_short_and_files_too() -> None:
    functions = [
        (node.end_lineno - node.lineno + 1, f"{name(path)}:{node.name}")
        for path in FILES
        if "migrations" not in path.parts
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    ]
    assert [where for lines, where in functions if lines > 60] == []
    short = sum(lines < 30 for lines, _where in functions)
    assert short / len(functions) > 0.9
    assert [name(path) for path in FILES if len(path.read_text().splitlines()) > 400] == []
