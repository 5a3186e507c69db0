"""``/v1/datasets/{name}/versions``, its doctor's findings and recipe, and the lineage."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api import JSONOnly, page, read
from apps.core.errors import NotFound
from apps.datasets import lineage, queries, services
from apps.datasets.api import reading, showing
from apps.datasets.api.points import download


class Versions(APIView):
    """A data set's versions."""

    required_scope: ClassVar = {"GET": "datasets:read"}

    def get(self, request: Request, name: str) -> Response:
        """Newest first."""
        rows = queries.list_versions(dataset=queries.get_dataset(slug=name))
        return page(request, rows.order_by("-created_at", "-id"), showing.version)


class VersionDetail(APIView):
    """One version."""

    required_scope: ClassVar = {"GET": "datasets:read"}

    def get(self, request: Request, name: str, number: int) -> Response:
        """With its manifest, findings and recipe."""
        return Response(showing.version_whole(queries.get_version(slug=name, number=number)))


class VersionDiff(APIView):
    """What differs between two versions."""

    required_scope: ClassVar = {"GET": "datasets:read"}

    def get(self, request: Request, name: str, number: int) -> Response:
        """Rows added, changed and removed since ``?since=`` (default: the version before), in all and by series."""
        newer = queries.get_version(slug=name, number=number)
        since = reading.number(request, "since")
        older = queries.get_version(slug=name, number=number - 1 if since is None else since)
        return Response(
            {"since": older.number, "number": newer.number, **services.diff(older=older, newer=newer)}
        )


class VersionRestoration(APIView):
    """An earlier version again."""

    required_scope: ClassVar = {"POST": "datasets:write"}

    def post(self, request: Request, name: str, number: int) -> Response:
        """201 with the new version that has the earlier one's content; those in between stay."""
        return Response(showing.changed(services.restore(slug=name, number=number)), status=201)


class Findings(APIView):
    """What the doctor found."""

    content_negotiation_class = JSONOnly

    required_scope: ClassVar = {"GET": "datasets:read"}

    def get(self, request: Request, name: str) -> HttpResponseBase:
        """The summary of the newest version (or ``?version=``); ``?format=ndjson``: each finding of each series."""
        number = reading.number(request, "version")
        if number is None:
            number = queries.get_current_version(dataset=queries.get_dataset(slug=name)).number
        version = queries.get_version(slug=name, number=number)
        if request.query_params.get("format") == "ndjson":
            if version.report is None:
                raise NotFound(what="full report of version", name=str(number))
            return download(version.report, f"{name}-v{number}-findings.ndjson", "ndjson")
        blocking = [finding.code for finding in queries.open_findings(version)]
        return Response(
            {
                "version": number,
                "checked": version.checked_at is not None,
                "blocking": blocking,
                "findings": version.findings,
            }
        )


class RecipeView(APIView):
    """What was accepted to be done about findings."""

    required_scope: ClassVar = {"GET": "datasets:read", "PUT": "datasets:write"}

    def get(self, request: Request, name: str) -> Response:
        """The recipe in force, and the earlier ones."""
        dataset = queries.get_dataset(slug=name)
        current = queries.get_current_version(dataset=dataset).recipe
        earlier = [showing.recipe(each) for each in queries.list_recipes(dataset=dataset)]
        return Response({"recipe": showing.recipe(current), "history": earlier})

    def put(self, request: Request, name: str) -> Response:
        """Body: ``{"steps": [{"code", "fix", "params"?, "series"?, "at"?}], "based_on"?}``: the whole recipe."""
        asked = read(reading.Steps, request.data)
        version = services.accept_fixes(
            slug=name, steps=reading.steps(asked["steps"]), based_on=asked.get("based_on")
        )
        return Response({"recipe": showing.recipe(version.recipe), "version": showing.version(version)})


class RecipePreview(APIView):
    """What steps would change."""

    required_scope: ClassVar = {"POST": "datasets:read"}

    def post(self, request: Request, name: str) -> Response:
        """Counts of changed values, and stretches of a few series before and after; nothing is stored."""
        asked = read(reading.Steps, request.data)
        version = queries.get_current_version(dataset=queries.get_dataset(slug=name))
        steps, series = reading.steps(asked["steps"]), asked.get("series", [])
        return Response(services.preview_fix(version=version, steps=steps, series=series))


class Lineage(APIView):
    """Where a thing came from, and what came of it."""

    required_scope: ClassVar = {"GET": "datasets:read"}

    def get(self, request: Request, kind: str, id: str) -> Response:
        """Nodes and edges around an upload, a source, a version, a training run, a model's version or a forecast."""
        return Response(show_graph(lineage.graph(kind=kind, id=id)))


def show_graph(found: lineage.Graph) -> dict[str, Any]:
    """A lineage as JSON."""
    return {
        "focus": {"kind": found.focus.kind, "id": found.focus.id},
        "nodes": [
            {"kind": node.kind, "id": node.id, "label": node.label, "at": node.at, **node.facts}
            for node in found.nodes
        ],
        "edges": [
            {"from": {"kind": old[0], "id": old[1]}, "to": {"kind": new[0], "id": new[1]}}
            for old, new in found.edges
        ],
        "cut": found.cut,
    }
