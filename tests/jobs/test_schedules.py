"""Scheduled work is queued once when it is due, for the tenant that asked for it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from apps.core.tenancy import TenantKey
from apps.jobs import schedules, services
from apps.jobs.errors import ScheduleInvalid
from apps.jobs.models import Job, Schedule
from tenants.context import tenant_scope
from tests import factories
from tests.jobs.conftest import KIND

WINTER = dt.datetime(2024, 1, 15, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "words"),
    [
        ("every day", "UTC", "not a cron expression"),
        ("61 * * * *", "UTC", "not a cron expression"),
        ("0 0 31 2 *", "UTC", "never comes|not a cron expression"),
        ("* * * * *", "UTC", "15 minutes"),
        ("0,5 9 * * *", "UTC", "15 minutes"),
        ("0 6 * * *", "Mars/Olympus", "time zone"),
        ("0 6 * * *", "../../etc/passwd", "time zone"),
    ],
)
def test_what_cannot_be_a_schedule_is_refused_by_reason(cron: str, zone: str, words: str) -> None:
    with pytest.raises(ScheduleInvalid, match=words):
        schedules.next_times(cron=cron, zone=zone, count=1)


def test_a_time_of_day_stays_through_a_change_of_clocks() -> None:
    before_change = dt.datetime(2024, 3, 29, 12, tzinfo=dt.UTC)
    times = schedules.next_times(cron="0 6 * * *", zone="Europe/Berlin", count=3, after=before_change)
    assert [each.astimezone(dt.UTC).hour for each in times] == [5, 4, 4]


@pytest.fixture
def acme(committed: None, does: Any) -> TenantKey:
    return factories.tenant("acme").key


def due(acme: TenantKey, **changes: Any) -> Schedule:
    with tenant_scope(acme):
        made = schedules.set_schedule(
            kind=KIND, key="one", payload={"n": 1}, cron="0 6 * * *", zone="UTC", name="Each morning"
        )
        at = timezone.now() - dt.timedelta(days=3)
        Schedule.objects.filter(id=made.id).update(**{"next_run_at": at, **changes})
    return made


def test_what_is_due_is_queued_once_however_long_it_was_missed(acme: TenantKey) -> None:
    made = due(acme)
    assert (schedules.run_due(), schedules.run_due()) == (1, 0)
    with tenant_scope(acme):
        job = Job.objects.get(kind=KIND)
        row = Schedule.objects.get(id=made.id)
    assert (job.payload, job.title, row.last_job_id) == ({"n": 1}, "Each morning", job.id)
    assert row.next_run_at > timezone.now()


def test_it_is_not_queued_again_while_the_last_job_is_open(acme: TenantKey) -> None:
    due(acme)
    assert schedules.run_due() == 1
    made = due(acme)
    assert schedules.run_due() == 0
    with tenant_scope(acme):
        services.cancel(job_id=Job.objects.get(kind=KIND).id)
        Schedule.objects.filter(id=made.id).update(next_run_at=timezone.now() - dt.timedelta(hours=1))
    assert schedules.run_due() == 1


def test_one_that_cannot_be_read_does_not_hold_up_the_others(acme: TenantKey) -> None:
    due(acme, cron="nonsense")
    with tenant_scope(acme):
        other = schedules.set_schedule(
            kind=KIND, key="two", payload={}, cron="0 6 * * *", zone="UTC", name="B"
        )
        Schedule.objects.filter(id=other.id).update(next_run_at=timezone.now() - dt.timedelta(hours=1))
    assert schedules.run_due() == 1


def test_another_tenants_schedules_are_out_of_sight(acme: TenantKey) -> None:
    due(acme)
    globex = factories.tenant("globex").key
    with tenant_scope(globex):
        assert not Schedule.objects.exists()
        schedules.remove(kind=KIND, key="one")
    assert schedules.run_due() == 1
    with tenant_scope(globex):
        assert not Job.objects.exists()


def test_a_removed_one_is_never_due(acme: TenantKey) -> None:
    due(acme)
    with tenant_scope(acme):
        schedules.remove(kind=KIND, key="one")
    assert schedules.run_due() == 0
