"""``/v1/datasets``: the data sets themselves."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api import StrictJSONParser, page
from apps.core.ids import parse_public_id, public_id
from apps.datasets import admission, queries, services
from apps.datasets.api import reading, showing
from apps.datasets.errors import FileMissing
from apps.datasets.models import Upload, UploadState
from apps.datasets.reading.contracts import Reading
from apps.jobs.models import Job


class Datasets(APIView):
    """The tenant's data sets; a POST of a file, or of an upload's id, makes one."""

    required_scope: ClassVar = {"GET": "datasets:read", "POST": "datasets:write"}
    takes_uploads: ClassVar = {"POST": admission.new_dataset}
    parser_classes = [MultiPartParser, StrictJSONParser]

    def get(self, request: Request) -> Response:
        """Newest first, each with its newest version."""
        rows = queries.list_datasets().order_by("-created_at", "-id")
        return page(request, rows, lambda row: showing.dataset(row, queries.latest_of(row)))

    def post(self, request: Request) -> Response:
        """Multipart fields: ``file``; ``name``; optionally ``gap_rule``, ``frequency`` and ``mapping`` (JSON; what it
        leaves out is guessed, and the answer says how). Or JSON with the same and ``upload`` instead of the file.

        201 with the data set; 202 with the job where the file is too large to be read at once.
        """
        asked, rule = reading.mapping(reading.data_of(request).get("mapping")), reading.gap_rule(request)
        upload = self._upload(request)
        name, frequency = reading.name(request, upload.filename), reading.text(request, "frequency") or ""
        known = Reading.from_json(upload.reading) if upload.reading else None
        mapping = reading.merged(known.mapping if known else None, asked)
        if upload.state == UploadState.READING or services.is_large(upload):
            return accepted(
                services.create_from_file(
                    upload=upload, name=name, mapping=mapping, gap_rule=rule, frequency=frequency
                )
            )
        dataset = services.accept_upload(
            upload_id=upload.id, name=name, mapping=mapping, gap_rule=rule, frequency=frequency
        )
        shown = showing.whole(dataset, queries.get_current_version(dataset=dataset))
        return Response(shown, status=201, headers={"Location": f"/v1/datasets/{dataset.slug}"})

    def _upload(self, request: Request) -> Upload:
        if named := reading.text(request, "upload"):
            return queries.get_upload(upload_id=parse_public_id("up", named))
        file = request.FILES.get("file")
        if file is None:
            raise FileMissing
        return services.receive_upload(filename=str(file.name), stream=cast("Any", file))


class DatasetDetail(APIView):
    """One data set."""

    required_scope: ClassVar = {
        "GET": "datasets:read",
        "PATCH": "datasets:write",
        "DELETE": "datasets:write",
    }

    def get(self, request: Request, name: str) -> Response:
        """The data set of that slug: its newest version, how it was read, what the doctor found, its recipe."""
        dataset = queries.get_dataset(slug=name)
        return Response(showing.whole(dataset, queries.get_current_version(dataset=dataset)))

    def patch(self, request: Request, name: str) -> Response:
        """Change ``name``, ``description``, ``keep_versions`` or ``keep_days``; the name in the address stays."""
        dataset = services.change_settings(slug=name, changes=dict(reading.data_of(request)))
        return Response(showing.whole(dataset, queries.get_current_version(dataset=dataset)))

    def delete(self, request: Request, name: str) -> Response:
        """204; 409 while models or trainings rest on it."""
        services.delete_dataset(slug=name)
        return Response(status=204)


class Expectations(APIView):
    """What each new version of a data set is tested against."""

    required_scope: ClassVar = {"GET": "datasets:read", "PUT": "datasets:write"}

    def get(self, request: Request, name: str) -> Response:
        """The expectations, and how the newest version met them."""
        dataset = queries.get_dataset(slug=name)
        newest = queries.get_current_version(dataset=dataset)
        return Response({"expectations": dataset.expectations, "results": newest.expected})

    def put(self, request: Request, name: str) -> Response:
        """Body: ``{"expectations": […]}``; they hold from the next change on."""
        dataset = services.state_expectations(slug=name, stated=reading.data_of(request).get("expectations"))
        return Response({"expectations": dataset.expectations})


def accepted(job: Job) -> Response:
    """202 for work in the background."""
    id = public_id("job", job.id)
    body = {"id": id, "type": job.kind, "status": job.state, "title": job.title, "created_at": job.created_at}
    return Response(body, status=202, headers={"Location": f"/v1/jobs/{id}", "Retry-After": "2"})
