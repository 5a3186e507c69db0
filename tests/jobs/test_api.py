"""``/v1/jobs`` and ``/v1/schedules``, as a program sees them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from apps.api_keys import services as api_keys
from apps.jobs import Progress, schedules
from apps.jobs.models import Job, Schedule
from tenants.context import tenant_scope
from tests import factories
from tests.jobs.conftest import change, perform

Enqueue = Callable[..., Job]
Does = Callable[..., None]
Program = Callable[[str], Client]


@pytest.fixture
def program(committed: None) -> Program:
    """``program("acme")``: a client with a key of that tenant."""

    def make(slug: str) -> Client:
        with tenant_scope(factories.tenant(slug).key):
            _row, text = api_keys.create(name="Test", scopes=["jobs:read", "jobs:manage"])
        return Client(headers={"host": "localhost", "authorization": f"Bearer {text}"})

    return make


@pytest.fixture
def client(program: Program) -> Client:
    return program("acme")


def work(_payload: dict[str, Any], progress: Progress) -> dict[str, Any]:
    progress("Counting", 40)
    return {"stars": 7}


def test_a_job_tells_what_it_is_to_take_and_what_it_took(
    client: Client, enqueue: Enqueue, does: Does
) -> None:
    does(work)
    job = enqueue(priority=2, timeout_seconds=60, estimate={"seconds": 3.5})
    shown = client.get(f"/v1/jobs/{job.public_id}").json()
    assert (shown["status"], shown["priority"], shown["timeout_seconds"]) == ("queued", 2, 60)
    assert (shown["cost_estimate"], shown["max_attempts"]) == ({"seconds": 3.5}, 3)
    perform(job)
    assert client.get(f"/v1/jobs/{job.public_id}").json()["result"] == {"stars": 7}


def test_waiting_is_asked_of_the_server_while_the_job_is_open(client: Client, enqueue: Enqueue) -> None:
    job = enqueue()
    path = f"/v1/jobs/{job.public_id}"
    assert client.get(path, {"wait": "20"}).headers["X-Almanac-Hold"] == "20"
    assert "X-Almanac-Hold" not in client.get(path).headers
    perform(job)
    assert "X-Almanac-Hold" not in client.get(path, {"wait": "20"}).headers


@pytest.mark.parametrize("wait", ["-1", "61", "soon", "1.5", "9" * 30])
def test_a_wait_that_is_none_is_refused_by_name(client: Client, enqueue: Enqueue, wait: str) -> None:
    answer = client.get(f"/v1/jobs/{enqueue().public_id}", {"wait": wait})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "?wait")


def test_jobs_are_found_by_when_they_were_made(client: Client, enqueue: Enqueue) -> None:
    old, new = enqueue(), enqueue()
    change(old, created_at=timezone.now() - timedelta(days=3))
    day = (timezone.now() - timedelta(days=1)).date().isoformat()

    def found(**wishes: str) -> list[str]:
        return [each["id"] for each in client.get("/v1/jobs", wishes).json()["data"]]

    assert found(created_after=day) == [new.public_id]
    assert found(created_before=f"{day}T00:00:00Z") == [old.public_id]
    assert found(created_after=day, created_before=day) == []
    assert (
        client.get("/v1/jobs", {"created_after": "yesterday"}).json()["errors"][0]["pointer"]
        == "?created_after"
    )


def test_a_failed_job_is_tried_again(client: Client, enqueue: Enqueue, does: Does) -> None:
    job = enqueue()
    path = f"/v1/jobs/{job.public_id}/retry"
    assert (client.post(path).status_code, client.post(path).json()["code"]) == (409, "job_open")
    change(job, state="failed", error={"code": "x"}, attempt=3)
    answer = client.post(path)
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert answer.headers["Location"] == f"/v1/jobs/{job.public_id}"
    perform(job)
    assert client.post(path).json()["code"] == "job_finished"


def test_the_log_is_read_on_from_where_one_was(client: Client, enqueue: Enqueue, does: Does) -> None:
    does(work)
    job = enqueue()
    perform(job)
    path = f"/v1/jobs/{job.public_id}/logs"
    lines = client.get(path).json()["data"]
    assert [line["text"] for line in lines] == ["Queued", "Attempt 1 of 3 begins", "Counting", "Succeeded"]
    assert [line["kind"] for line in lines] == ["state", "state", "stage", "state"]
    rest = client.get(path, {"after": lines[1]["id"]}).json()
    assert ([line["text"] for line in rest["data"]], rest["has_more"]) == (["Counting", "Succeeded"], False)
    text = client.get(path, {"format": "text"})
    assert text.headers["Content-Type"].startswith("text/plain")
    assert text.content.decode().splitlines()[2].endswith("info Counting")


def test_the_events_of_a_job_end_with_it_and_go_on_after_the_last_that_was_heard(
    client: Client, enqueue: Enqueue, does: Does
) -> None:
    does(work)
    job = enqueue()
    path = f"/v1/jobs/{job.public_id}/events"
    first = client.get(path)
    assert first.headers["Content-Type"].startswith("text/event-stream")
    assert "event: end" not in first.content.decode()
    heard = first.headers["X-Almanac-Follow"]
    perform(job)
    rest = client.get(path, headers={"Last-Event-ID": heard})
    events = [block.split("\n") for block in rest.content.decode().split("\n\n") if block]
    names = [line for block in events for line in block if line.startswith("event:")]
    assert names == ["event: entry"] * 3 + ["event: progress", "event: end"]
    assert "Counting" in rest.content.decode()
    assert "Queued" not in rest.content.decode()
    assert "X-Almanac-Follow" not in rest.headers


def test_a_last_event_that_is_none_of_ours_begins_at_the_beginning(client: Client, enqueue: Enqueue) -> None:
    answer = client.get(f"/v1/jobs/{enqueue().public_id}/events", headers={"Last-Event-ID": "'; drop"})
    assert "Queued" in answer.content.decode()


@pytest.mark.parametrize("what", ["", "/logs", "/events"])
def test_another_tenants_job_is_not_there(enqueue: Enqueue, program: Program, what: str) -> None:
    other = program("globex")
    assert other.get(f"/v1/jobs/{enqueue('acme').public_id}{what}").status_code == 404


@pytest.fixture
def schedule(enqueue: Enqueue) -> Schedule:
    with tenant_scope(factories.tenant("acme").key), transaction.atomic():
        return schedules.set_schedule(
            kind="tests.work", key="1", payload={}, cron="0 6 * * 1", zone="Europe/Berlin", name="Count again"
        )


def test_a_schedule_is_paused_resumed_and_run_at_once(client: Client, schedule: Schedule) -> None:
    path = f"/v1/schedules/{schedule.public_id}"
    assert client.get("/v1/schedules").json()["data"][0]["name"] == "Count again"
    paused = client.patch(path, {"paused": True}, content_type="application/json").json()
    assert (paused["next_run_at"], paused["paused_at"] is not None) == (None, True)
    with tenant_scope(factories.tenant("acme").key):
        Schedule.objects.filter(id=schedule.id).update(next_run_at=timezone.now() - timedelta(hours=1))
    assert schedules.run_due() == 0
    resumed = client.patch(path, {"paused": False}, content_type="application/json").json()
    assert resumed["paused_at"] is None
    assert schedules.run_due() == 0, "what was missed is not made up for"
    ran = client.post(f"{path}/run")
    assert ran.status_code == 202
    assert client.get(ran.headers["Location"]).json()["title"] == "Count again"
    assert client.patch(path, {}, content_type="application/json").status_code == 400


def test_another_tenants_schedule_is_not_there(program: Program, schedule: Schedule) -> None:
    other = program("globex")
    assert other.get(f"/v1/schedules/{schedule.public_id}").status_code == 404
    assert other.post(f"/v1/schedules/{schedule.public_id}/run").status_code == 404
