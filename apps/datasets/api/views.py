"""``/v1/datasets``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from django.urls import reverse
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api import page
from apps.core.errors import FieldError
from apps.datasets import admission, queries, services
from apps.datasets.errors import FileMissing, MappingInvalid
from apps.datasets.models import Dataset, DatasetVersion
from apps.datasets.reading.contracts import ColumnMapping, Reading

LISTS = ("series", "covariates")
MAX_NAME = 120


class Datasets(APIView):
    """The tenant's data sets; a POST of a CSV file makes one."""

    required_scope: ClassVar = {"GET": "datasets:read", "POST": "datasets:write"}
    takes_uploads: ClassVar = {"POST": admission.new_dataset}
    parser_classes = [MultiPartParser]

    def get(self, request: Request) -> Response:
        """Newest first, each with its newest version."""
        rows = queries.list_datasets().order_by("-created_at", "-id")
        return page(request, rows, lambda dataset: show(dataset, queries.latest_of(dataset)))

    def post(self, request: Request) -> Response:
        """Multipart fields: ``file``; ``name``; optionally ``gap_rule`` and ``mapping`` (JSON: time, value,
        series, covariates, choices; what it leaves out is guessed, and the answer says how)."""
        file = request.FILES.get("file")
        if file is None:
            raise FileMissing
        name, rule = _name(request, str(file.name)), _gap_rule(request)
        asked = _mapping(_text(request, "mapping"))
        upload = services.receive_upload(filename=str(file.name), stream=cast("Any", file))
        guessed = Reading.from_json(upload.reading).mapping
        mapping = _merged(guessed, asked)
        dataset = services.accept_upload(upload_id=upload.id, name=name, mapping=mapping, gap_rule=rule)
        version = queries.get_current_version(dataset=dataset)
        location = request.build_absolute_uri(reverse("api-dataset", args=[dataset.slug]))
        return Response(
            _whole(dataset, version), status=status.HTTP_201_CREATED, headers={"Location": location}
        )


class DatasetDetail(APIView):
    """One data set."""

    required_scope: ClassVar = {"GET": "datasets:read"}

    def get(self, request: Request, name: str) -> Response:
        """The data set of that slug: its newest version, how it was read, what the check found."""
        dataset = queries.get_dataset(slug=name)
        return Response(_whole(dataset, queries.get_current_version(dataset=dataset)))


def show(dataset: Dataset, version: DatasetVersion | None) -> dict[str, Any]:
    """A data set as the API lists it."""
    return {
        "id": dataset.public_id,
        "name": dataset.slug,
        "title": dataset.name,
        "description": dataset.description,
        "origin": dataset.origin,
        "generated": dataset.generated,
        "created_at": dataset.created_at,
        "version": version
        and {
            "id": version.public_id,
            "number": version.number,
            "rows": version.rows,
            "series_count": version.series_count,
            "first_ds": version.first_ds,
            "last_ds": version.last_ds,
            "frequency": version.frequency or None,
            "season_length": version.season_length,
            "sha256": version.sha256,
            "created_at": version.created_at,
        },
    }


def _whole(dataset: Dataset, version: DatasetVersion) -> dict[str, Any]:
    return {**show(dataset, version), "columns": version.columns, "findings": version.findings}


def _name(request: Request, filename: str) -> str:
    name = (_text(request, "name") or "").strip() or filename.rpartition(".")[0] or filename
    if not name or len(name) > MAX_NAME:
        raise MappingInvalid(reason=f"The name must have 1 to {MAX_NAME} characters.")
    return name


def _text(request: Request, field: str) -> str | None:
    """A text field of the form; a file in its place counts as absent."""
    value = cast("Mapping[str, object]", request.data).get(field)
    return value if isinstance(value, str) else None


def _gap_rule(request: Request) -> str | None:
    rule = _text(request, "gap_rule")
    if rule is not None and rule not in services.GAP_RULES:
        raise MappingInvalid(reason=f"gap_rule must be one of {', '.join(services.GAP_RULES)}.")
    return rule


def _mapping(text: str | None) -> dict[str, Any]:
    """The ``mapping`` that was sent, checked for shape; the reading checks the columns' names."""
    if not text:
        return {}
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MappingInvalid(reason="The field 'mapping' is not valid JSON.") from error
    fault = _fault(data)
    if fault:
        raise MappingInvalid(reason=fault, errors=[FieldError("mapping_invalid", fault, pointer="/mapping")])
    return cast("dict[str, Any]", data)


def _fault(data: object) -> str:
    known = {"time", "value", "choices", *LISTS}
    if not isinstance(data, dict):
        return "The mapping must be a JSON object."
    if unknown := sorted(set(data) - known):
        return (
            f"The mapping has the unknown member {unknown[0][:40]!r}; known are {', '.join(sorted(known))}."
        )
    if not all(isinstance(data.get(name, ""), str) for name in ("time", "value")):
        return "The mapping's time and value must be names of columns."
    lists = [data.get(name, []) for name in LISTS]
    if not all(isinstance(names, list) and all(isinstance(each, str) for each in names) for names in lists):
        return "The mapping's series and covariates must be lists of names of columns."
    choices = data.get("choices", {})
    if not isinstance(choices, dict) or not all(isinstance(answer, str) for answer in choices.values()):
        return "The mapping's choices must be an object of texts."
    return ""


def _merged(guessed: ColumnMapping | None, asked: dict[str, Any]) -> ColumnMapping:
    """What was asked for, on top of the guess; a column that was asked for loses its guessed part."""
    base = (guessed or ColumnMapping("", "")).to_json()
    merged = {**base, **asked}
    taken = {name for key in asked for name in ([asked[key]] if isinstance(asked[key], str) else asked[key])}
    for name in LISTS:
        if name not in asked:
            merged[name] = [column for column in base[name] if column not in taken]
    return ColumnMapping.from_json(merged)
