"""``/v1/schedules``: work that comes round."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api import Body, read
from apps.core.ids import parse_public_id, public_id
from apps.jobs import queries, schedules
from apps.jobs.models import Schedule


class Change(Body):
    """Body of ``PATCH /v1/schedules/{id}``."""

    paused = serializers.BooleanField()


class Schedules(APIView):
    """All of the tenant's."""

    required_scope: ClassVar = {"GET": "jobs:read"}

    def get(self, request: Request) -> Response:
        """The next first; a tenant has few."""
        return Response({"data": [show(each) for each in queries.list_schedules()]})


class ScheduleDetail(APIView):
    """One schedule. Its times are set where its work is: at the model's policy, or the data set's source."""

    required_scope: ClassVar = {"GET": "jobs:read", "PATCH": "jobs:manage"}

    def get(self, request: Request, schedule_id: str) -> Response:
        """404 where there is none."""
        return Response(show(queries.get_schedule(schedule_id=parse_public_id("sch", schedule_id))))

    def patch(self, request: Request, schedule_id: str) -> Response:
        """``{"paused": true}`` or ``false``."""
        change = schedules.pause if read(Change, request.data)["paused"] else schedules.resume
        return Response(show(change(schedule_id=parse_public_id("sch", schedule_id))))


class ScheduleRun(APIView):
    """Its work, once more."""

    required_scope: ClassVar = {"POST": "jobs:manage"}

    def post(self, request: Request, schedule_id: str) -> Response:
        """202 with the job."""
        job = schedules.run_now(schedule_id=parse_public_id("sch", schedule_id))
        location = f"/v1/jobs/{job.public_id}"
        return Response(
            {"job": job.public_id}, status=202, headers={"Location": location, "Retry-After": "1"}
        )


def show(schedule: Schedule) -> dict[str, Any]:
    """A schedule as the API gives it."""
    coming = schedules.next_times(cron=schedule.cron, zone=schedule.zone, count=1)
    return {
        "id": schedule.public_id,
        "name": schedule.name,
        "type": schedule.kind,
        "cron": schedule.cron,
        "zone": schedule.zone,
        "paused_at": schedule.paused_at,
        "next_run_at": None if schedule.paused_at else coming[0],
        "last_run_at": schedule.last_run_at,
        "last_job": public_id("job", schedule.last_job_id) if schedule.last_job_id else None,
    }
