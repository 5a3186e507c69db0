"""Three tenants at work in any order: nothing of one is ever seen by another, in answers, logs, mails or what is stored.

``make drill-isolation`` takes 10,000 steps, ``make test`` some hundred. Then leaks are made on purpose: the drill must
find each, or its silence would mean nothing.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test

from apps.api_keys import middleware as keys
from apps.core import middleware as requests
from apps.core.tenancy import TenantKey
from apps.dashboard import context
from apps.events import mail
from tests.isolation.canaries import Leak
from tests.isolation.machine import Drill
from tests.isolation.watching import LogLines

LONG = os.environ.get("ALMANAC_DRILL") == "1"
Mutant = Callable[[pytest.MonkeyPatch], None]


def drill(log: LogLines, *, runs: int, steps: int, trains: bool = False, **more: Any) -> dict[str, int]:
    """Run the machine; the first leak ends it, with the steps before it. Returns what was counted.

    The first of the runs is Hypothesis' simplest, in which nothing happens.
    """

    class Run(Drill):
        counted: dict[str, int] = {}

    Run.log, Run.trains = log, trains
    wanted = settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        **more,
    )
    run_state_machine_as_test(Run, settings=wanted)
    return Run.counted


@pytest.mark.skipif(LONG, reason="the long drill stands for it")
def test_no_tenant_sees_anything_of_another(stage: LogLines) -> None:
    counted = drill(stage, runs=4, steps=100, derandomize=True)
    assert counted["steps"] >= 250
    assert counted["answered 2xx"] > counted["steps"] / 10, counted
    assert any(what.startswith("job") and what.endswith("succeeded") for what in counted), counted


@pytest.mark.skipif(not LONG, reason="make drill-isolation runs it")
def test_no_tenant_sees_anything_of_another_in_ten_thousand_steps(stage: LogLines, mlflow: Any) -> None:
    began = time.monotonic()
    counted = drill(stage, runs=46, steps=250, trains=True)
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"\n{counted['steps']} steps in {seconds:.0f} s, {counted['steps'] / seconds:.1f} a second\n"
    )
    sys.stdout.writelines(f"  {what}: {number}\n" for what, number in sorted(counted.items()))
    assert counted["steps"] >= 10_000


def a_cache_whose_key_lacks_the_tenant(patch: pytest.MonkeyPatch) -> None:
    """The frame around pages is drawn once for each path."""
    kept: dict[str, Any] = {}
    draw = context._shell
    patch.setattr(context, "_shell", lambda request: kept.setdefault(request.path, draw(request)))


def a_scope_of_the_call_before(patch: pytest.MonkeyPatch) -> None:
    """Each call of the API runs for whoever called before."""
    callers: list[TenantKey] = []
    open_scope = keys.tenant_scope

    def open_another(key: TenantKey) -> Any:
        callers.append(key)
        return open_scope(callers[-2] if len(callers) > 1 else key)

    patch.setattr(keys, "tenant_scope", open_another)


def a_mail_to_the_people_before(patch: pytest.MonkeyPatch) -> None:
    """Each mail goes to the recipients of the last one too."""
    before: list[str] = []
    find = mail.find_letter

    def find_altered(*, type: str) -> mail.Letter | None:
        letter = find(type=type)
        return letter and mail.Letter(letter.template, lambda data: _and_before(letter.recipients(data)))

    def _and_before(recipients: list[str]) -> list[str]:
        told, before[:] = [*recipients, *before], recipients
        return told

    patch.setattr(mail, "find_letter", find_altered)


def a_log_line_with_the_caller_before(patch: pytest.MonkeyPatch) -> None:
    """What was bound to the log for one request stays for the next."""
    agents: list[str] = []
    write = requests.RequestContextMiddleware._log

    def write_more(self: Any, request: Any, response: Any, began: float) -> None:
        agents.append(request.headers.get("User-Agent", ""))
        with structlog.contextvars.bound_contextvars(agent=agents[-2:][0]):
            write(self, request, response, began)

    patch.setattr(requests.RequestContextMiddleware, "_log", write_more)


MUTANTS: list[Mutant] = [
    a_cache_whose_key_lacks_the_tenant,
    a_scope_of_the_call_before,
    a_mail_to_the_people_before,
    a_log_line_with_the_caller_before,
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: str(mutant.__name__))
def test_the_drill_finds(stage: LogLines, monkeypatch: pytest.MonkeyPatch, mutant: Mutant) -> None:
    mutant(monkeypatch)
    with pytest.raises((Leak, Flaky)) as found:
        drill(stage, runs=10, steps=150, derandomize=True)
    assert "Leak" in repr(found.value) or isinstance(found.value, Leak)
