"""``/v1/uploads``: files on their way to a data set."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api import page, read, text_parameter
from apps.core.ids import parse_public_id
from apps.core.streams import FILE_TYPES, RawUpload, parsers_of
from apps.datasets import admission, queries, services
from apps.datasets.api import reading, showing
from apps.datasets.errors import FileMissing
from apps.datasets.models import UploadState


class Uploads(APIView):
    """Send a file, or list those that are not accepted yet."""

    required_scope: ClassVar = {"GET": "datasets:read", "POST": "datasets:write"}
    takes_uploads: ClassVar = {"POST": admission.new_dataset}
    parser_classes = [MultiPartParser, *parsers_of(*FILE_TYPES)]

    def get(self, request: Request) -> Response:
        """Newest first; an upload that nobody accepts is forgotten after a day."""
        return page(request, queries.list_uploads(), showing.upload)

    def post(self, request: Request) -> Response:
        """The file as the multipart field ``file``, or as the body itself with ``?filename=``.

        201 with the reading: the guessed mapping, a preview, questions, findings. ``status`` is ``reading`` where a worker
        reads it.
        """
        body: object = request.data
        file = body if isinstance(body, RawUpload) else request.FILES.get("file")
        if file is None:
            raise FileMissing
        filename = text_parameter(request, "filename") or str(file.name)
        upload = services.receive_upload(filename=filename, stream=cast("Any", file))
        status = 202 if upload.state == UploadState.READING else 201
        return Response(
            showing.upload(upload), status=status, headers={"Location": f"/v1/uploads/{upload.public_id}"}
        )


class UploadDetail(APIView):
    """One upload."""

    required_scope: ClassVar = {"GET": "datasets:read"}

    def get(self, request: Request, upload_id: str) -> Response:
        """``status``: ``announced``, ``reading``, ``received`` (to be accepted) or ``accepted``."""
        upload = queries.get_upload(upload_id=parse_public_id("up", upload_id))
        waiting = upload.state == UploadState.READING
        return Response(showing.upload(upload), headers={"Retry-After": "1"} if waiting else {})


class UploadPresigning(APIView):
    """A form with which a file goes straight to the object store."""

    required_scope: ClassVar = {"POST": "datasets:write"}

    def post(self, request: Request) -> Response:
        """201 with ``url`` and ``fields`` of a form to post within an hour; 409 where there is no object store."""
        asked = read(reading.NewUpload, request.data)
        upload, form = services.announce_upload(filename=asked["filename"], size=asked["size"])
        return Response({**showing.upload(upload), "form": form}, status=201)


class UploadCompletion(APIView):
    """The word that a file is in the object store."""

    required_scope: ClassVar = {"POST": "datasets:write"}

    def post(self, request: Request, upload_id: str) -> Response:
        """202: a worker reads it."""
        upload = services.complete_upload(upload_id=parse_public_id("up", upload_id))
        return Response(showing.upload(upload), status=202)
