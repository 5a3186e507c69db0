"""``/v1/datasets/{name}/observations`` and ``/data``: points in and out."""

from __future__ import annotations

from typing import ClassVar

from django.http import FileResponse, HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core import scope, storage
from apps.core.api import JSONOnly, StrictJSONParser, read
from apps.core.ids import parse_public_id
from apps.datasets import queries, services, writing
from apps.datasets.api import reading, showing
from apps.datasets.api.datasets import accepted
from apps.datasets.models import DatasetVersion, StoredFile
from apps.jobs.models import Job


class ObservationList(APIView):
    """Add, correct and remove points."""

    required_scope: ClassVar = {"POST": "datasets:write", "DELETE": "datasets:write"}
    parser_classes = [StrictJSONParser]

    def post(self, request: Request, name: str) -> Response:
        """Body: ``{"observations": [{"unique_id", "ds", "y", …}], "known_at"?}``. A row corrects the one of its series and
        time; what it does not give stays. 201 with the new version, 200 where everything was known already.
        """
        asked = read(reading.Observations, request.data)
        done = services.append(slug=name, rows=asked["observations"], known_at=asked.get("known_at"))
        return Response(showing.changed(done), status=201 if done.added + done.changed else 200)

    def delete(self, request: Request, name: str) -> Response:
        """``?series=`` (repeatable), ``?start=``, ``?end=`` (both included); at least one."""
        asked = request.query_params
        done = services.delete_points(
            slug=name,
            series=asked.getlist("series") or None,
            start=asked.get("start") or None,
            end=asked.get("end") or None,
        )
        return Response(showing.changed(done))


class Data(APIView):
    """The points as a file."""

    content_negotiation_class = JSONOnly

    required_scope: ClassVar = {"GET": "datasets:read", "PUT": "datasets:write"}
    parser_classes = [StrictJSONParser]

    def get(self, request: Request, name: str) -> HttpResponseBase:
        """``?format=`` csv, tsv, json, ndjson, parquet, xlsx; ``?version=``; ``?as_of=`` a time: as it was known then;
        ``?series=`` (repeatable); ``?clean=true``: as the recipe makes it. 202 with a job where it is large.
        """
        version = _version(request, name)
        wish = reading.wish(request)
        made = services.export(version=version, wish=wish)
        if isinstance(made, Job):
            return accepted(made)
        return download(made, services.export_filename(version, wish), wish.format)

    def put(self, request: Request, name: str) -> Response:
        """Make an upload the whole content: ``{"upload", "mapping"?, "restate"?}``."""
        asked = read(reading.Replacement, request.data)
        upload = queries.get_upload(upload_id=parse_public_id("up", asked["upload"]))
        mapping = None
        if given := reading.mapping(asked.get("mapping")):
            mapping = reading.merged(queries.mapping_of(upload), given)
        done = services.replace(slug=name, upload_id=upload.id, mapping=mapping, restate=asked["restate"])
        return Response(showing.changed(done))


class Export(APIView):
    """A file that a job wrote."""

    required_scope: ClassVar = {"GET": "datasets:read"}

    def get(self, request: Request, file_id: str) -> HttpResponseBase:
        """The file; kept for a week."""
        file = queries.get_export(file_id=parse_public_id("file", file_id))
        return download(file, f"almanac-{file.public_id}{writing.suffix_of(file.path)}")


def download(file: StoredFile, filename: str, form: str | None = None) -> FileResponse:
    """The stored file as an attachment."""
    stream = storage.open_content(scope.current_tenant(), file.path)
    content_type = writing.FORMATS[form].content_type if form else "application/octet-stream"
    response = FileResponse(stream, as_attachment=True, filename=filename, content_type=content_type)
    response["Cache-Control"] = "no-store"
    return response


def _version(request: Request, name: str) -> DatasetVersion:
    number = reading.number(request, "version")
    if number is not None:
        return queries.get_version(slug=name, number=number)
    return queries.get_current_version(dataset=queries.get_dataset(slug=name))
