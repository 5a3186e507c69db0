"""What comes in with requests about data sets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from django.utils.dateparse import parse_datetime
from rest_framework import serializers
from rest_framework.request import Request

from apps.core.api import Body, InvalidParameter, text_parameter
from apps.core.errors import FieldError
from apps.datasets import writing
from apps.datasets.doctor import catalogue
from apps.datasets.doctor.contracts import Step
from apps.datasets.errors import MappingInvalid, RecipeInvalid
from apps.datasets.reading.contracts import ColumnMapping
from apps.datasets.services.exports import Wish

TEXTS = ("time", "value", "known_at", "layout", "timezone")
LISTS = ("series", "covariates", "past", "static", "hierarchy", "values")
LAYOUTS = ("long", "wide", "across")
MAX_NAME = 120


class NewUpload(Body):
    """Body of ``POST /v1/uploads/presign``."""

    filename = serializers.CharField(max_length=200)
    size = serializers.IntegerField(min_value=1)


class Replacement(Body):
    """Body of ``PUT /v1/datasets/{name}/data``."""

    upload = serializers.CharField(max_length=40)
    mapping = serializers.JSONField(required=False)
    restate = serializers.BooleanField(default=False)


class Steps(Body):
    """Body of ``PUT /v1/datasets/{name}/recipe`` and of its preview."""

    steps = serializers.ListField(child=serializers.JSONField())
    based_on = serializers.IntegerField(required=False, min_value=0)
    series = serializers.ListField(child=serializers.CharField(max_length=200), required=False, max_length=20)


class Observations(Body):
    """Body of ``POST /v1/datasets/{name}/observations``."""

    observations = serializers.ListField(child=serializers.JSONField(), allow_empty=False)
    known_at = serializers.DateTimeField(required=False)


def data_of(request: Request) -> Mapping[str, Any]:
    """The body where it is an object; empty for anything else."""
    data = request.data
    return cast("Mapping[str, Any]", data) if isinstance(data, Mapping) else {}


def text(request: Request, field: str) -> str | None:
    """A text field of the form or object; a file or another value in its place counts as absent."""
    value = data_of(request).get(field)
    return value if isinstance(value, str) else None


def name(request: Request, filename: str) -> str:
    """What the data set is to be called: as asked, or as the file is."""
    found = (text(request, "name") or "").strip() or filename.rpartition(".")[0] or filename
    if not found or len(found) > MAX_NAME:
        raise MappingInvalid(reason=f"The name must have 1 to {MAX_NAME} characters.")
    return found


def gap_rule(request: Request) -> str | None:
    """The ``gap_rule`` that was sent."""
    rule = text(request, "gap_rule")
    known = catalogue.gap_rules()
    if rule is not None and rule not in known:
        raise MappingInvalid(reason=f"gap_rule must be one of {', '.join(known)}.")
    return rule


def mapping(given: object) -> dict[str, Any]:
    """The ``mapping`` that was sent (an object, or JSON text), checked for shape; the reading checks the columns' names."""
    if not given:
        return {}
    try:
        data = json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError) as error:
        raise MappingInvalid(reason="The field 'mapping' is not valid JSON.") from error
    fault = _fault(data)
    if fault:
        raise MappingInvalid(reason=fault, errors=[FieldError("mapping_invalid", fault, pointer="/mapping")])
    return cast("dict[str, Any]", data)


def merged(guessed: ColumnMapping | None, asked: dict[str, Any]) -> ColumnMapping:
    """What was asked for, on top of the guess; a column that was asked for loses its guessed part."""
    base = (guessed or ColumnMapping("", "")).to_json()
    result = {**base, **asked}
    parts = [asked[key] for key in asked if key not in ("choices", "layout", "timezone")]
    taken = {each for part in parts for each in ([part] if isinstance(part, str) else part)}
    for key in LISTS:
        if key not in asked:
            result[key] = [column for column in base[key] if column not in taken]
    return ColumnMapping.from_json(result)


def steps(given: list[Any]) -> list[Step]:
    """The steps of a recipe; raises ``RecipeInvalid`` for what is no step."""
    found = []
    for position, each in enumerate(given):
        if not isinstance(each, dict) or not {"code", "fix"} <= each.keys():
            detail = "A step is an object with code and fix, and params, series and at where they apply."
            fault = FieldError("step_invalid", detail, pointer=f"/steps/{position}")
            raise RecipeInvalid(first=detail, errors=[fault])
        found.append(Step.from_json(each))
    return found


def wish(request: Request) -> Wish:
    """Which data the address asks for: ``format``, ``as_of``, ``series`` (repeatable), ``clean``."""
    form = text_parameter(request, "format") or "csv"
    if form not in writing.FORMATS:
        raise _parameter("format", f"one of {', '.join(writing.FORMATS)}")
    as_of = moment(request, "as_of")
    series = request.query_params.getlist("series")
    clean = text_parameter(request, "clean") in ("true", "1", "yes")
    return Wish(form, as_of.isoformat() if as_of else None, tuple(series) if series else None, clean)


def moment(request: Request, parameter: str) -> datetime | None:
    """A time in the address, with its offset."""
    given = text_parameter(request, parameter).replace(" ", "+")  # a plus sign that was not encoded
    if not given:
        return None
    try:
        found = parse_datetime(given)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise _parameter(parameter, "a time with its offset, such as 2026-01-31T12:00:00Z")
    return found


def number(request: Request, parameter: str) -> int | None:
    """A version's number in the address."""
    given = text_parameter(request, parameter)
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 9):
        raise _parameter(parameter, "a version's number")
    return int(given)


def _parameter(name: str, wanted: str) -> InvalidParameter:
    fault = FieldError("invalid_parameter", f"It must be {wanted}.", pointer=f"?{name}")
    return InvalidParameter(name=name, detail=f"The parameter {name!r} must be {wanted}.", errors=[fault])


def _fault(data: object) -> str:
    known = {*TEXTS, *LISTS, "choices"}
    if not isinstance(data, dict):
        return "The mapping must be a JSON object."
    if unknown := sorted(set(data) - known):
        return (
            f"The mapping has the unknown member {unknown[0][:40]!r}; known are {', '.join(sorted(known))}."
        )
    if wrong := [key for key in TEXTS if not isinstance(data.get(key, ""), str)]:
        return f"The mapping's {wrong[0]} must be a text."
    if data.get("layout", "long") not in LAYOUTS:
        return f"The mapping's layout must be one of {', '.join(LAYOUTS)}."
    if wrong := [key for key in LISTS if not _is_list_of_texts(data.get(key, []))]:
        return f"The mapping's {wrong[0]} must be a list of names of columns."
    return _choices_fault(data)


def _choices_fault(data: dict[str, Any]) -> str:
    choices = data.get("choices", {})
    if not isinstance(choices, dict) or not all(isinstance(answer, str) for answer in choices.values()):
        return "The mapping's choices must be an object of texts."
    return ""


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
