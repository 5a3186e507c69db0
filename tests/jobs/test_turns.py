"""Whose turn it is when a worker is free: tenants in turn, a tenant's own jobs by priority, whatever message came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.jobs import Progress, dispatch, turns
from apps.jobs.models import Job
from tests.jobs.conftest import change, perform, row
from tests.jobs.test_dispatch import cap

Enqueue = Callable[..., Job]
Does = Callable[..., None]


def test_one_job_begins_before_any_of_the_many_that_another_tenant_has_waiting(
    enqueue: Enqueue, does: Does
) -> None:
    began: list[str] = []
    does(lambda payload, _progress: began.append(payload["of"]) or {})
    cap("acme", 2)
    many = [enqueue("acme", payload={"of": f"acme {number}"}) for number in range(50)]
    perform(many[0])
    one = enqueue("globex", payload={"of": "globex"})
    perform(many[1])  # the next message is acme's; the turn is globex'
    assert began == ["acme 0", "globex"]
    assert row(many[1]).state == "queued"
    perform(one)  # and globex' message serves acme
    assert began == ["acme 0", "globex", "acme 1"]


def test_no_message_is_missing_or_too_many_after_turns_were_swapped(enqueue: Enqueue) -> None:
    first, other = enqueue("acme"), enqueue("globex")
    perform(first)
    perform(first)
    assert {row(first).state, row(other).state} == {"succeeded"}
    perform(other)
    assert row(other).attempt == 1


def test_a_tenants_urgent_job_comes_first_though_another_was_announced(enqueue: Enqueue, does: Does) -> None:
    began: list[str] = []
    does(lambda payload, _progress: began.append(payload["of"]) or {})
    usual = enqueue(payload={"of": "usual"})
    urgent = enqueue(payload={"of": "urgent"}, priority=5)
    assert (row(usual).dispatched_at is not None, row(urgent).dispatched_at) == (True, None)
    perform(usual)
    assert began == ["urgent"]
    assert row(usual).dispatched_at is not None, "the end of the urgent one rang for the usual one"
    perform(usual)
    assert began == ["urgent", "usual"]


def test_a_plans_cap_holds_when_messages_come_too_often(enqueue: Enqueue, does: Does) -> None:
    cap("acme", 1)
    first, second = enqueue(), enqueue()
    seen: list[Any] = []

    def work(_payload: dict[str, Any], _progress: Progress) -> dict[str, Any]:
        seen.append(turns.take("training"))
        return {}

    does(work)
    perform(first)
    assert seen == [None]
    assert row(second).state == "queued"


def test_a_job_is_not_begun_before_its_time(enqueue: Enqueue) -> None:
    job = enqueue()
    change(job, not_before=timezone.now() + timedelta(minutes=1), dispatched_at=None)
    assert dispatch.dispatch() == 0
    perform(job)
    assert row(job).state == "queued"
    change(job, not_before=timezone.now())
    assert dispatch.dispatch() == 1
    perform(job)
    assert row(job).state == "succeeded"
