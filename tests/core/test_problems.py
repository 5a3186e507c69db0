"""Whatever fails below /v1/ leaves as a problem document with the request's id."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path
from rest_framework import exceptions as drf
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core import problems, request_context
from apps.core.errors import AppError, EngineFailure, FieldError, Kind, NotFound, RateLimited
from apps.core.middleware import ProblemMiddleware, RequestContextMiddleware
from apps.engine import errors as engine
from config.urls_public import urlpatterns as public

RAISED: dict[str, Exception] = {
    "crash": ZeroDivisionError("password=hunter2"),
    "denied": PermissionDenied("not yours"),
    "throttled": drf.Throttled(wait=2.5),
    "database": OperationalError("server closed the connection"),
    "ours": NotFound(what="data set", name="x"),
    "teapot": drf.APIException("odd", code="odd"),
}


class Failing(APIView):
    """Raises what the address names."""

    permission_classes = ()

    def get(self, request: Request, name: str) -> Response:
        raise RAISED[name]

    def post(self, request: Request, name: str) -> Response:
        body = Nested(data=request.data)
        body.is_valid(raise_exception=True)
        return Response({})


class Line(serializers.Serializer[Any]):
    """A row of a body."""

    count = serializers.IntegerField(min_value=1)


class Nested(serializers.Serializer[Any]):
    """A body with rows."""

    name = serializers.CharField()
    lines = Line(many=True)


def plain(request: HttpRequest) -> HttpResponse:
    """A view without DRF that crashes."""
    raise ZeroDivisionError


urlpatterns = [path("v1/fails/<str:name>", Failing.as_view()), path("v1/plain", plain), *public]


@pytest.fixture
def api(acme: Any) -> Client:
    """A client with a key of acme, to which crashes are answers."""
    from apps.api_keys import services
    from tenants.context import tenant_scope

    with tenant_scope(acme):
        _row, text = services.create(name="Test", scopes=["models:read"])
    headers = {"host": "localhost", "authorization": f"Bearer {text}", "x-request-id": "req-of-the-caller"}
    return Client(raise_request_exception=False, headers=headers)


def test_every_kind_of_error_has_a_status_and_every_status_a_title() -> None:
    assert set(problems.STATUS) == set(Kind)
    assert set(problems.STATUS.values()) - {402, 409, 422} <= set(problems.FRAMEWORK)
    assert all(400 <= status < 600 for status in problems.STATUS.values())


def test_the_engines_kinds_are_ours() -> None:
    kinds = {error.kind for error in _subclasses(engine.EngineError)}
    assert kinds
    assert kinds <= {kind.value for kind in Kind}


def test_an_error_of_the_engine_keeps_its_code_and_its_fields() -> None:
    failure = EngineFailure(engine.UnknownSeries(series_id="x", count=3))
    body = problems.of_error(failure)
    assert (body["status"], body["code"], body["series_id"]) == (404, "unknown_series", "x")
    assert body["detail"] == failure.detail


def _subclasses(kind: type) -> list[Any]:
    return [each for sub in kind.__subclasses__() for each in (sub, *_subclasses(sub))]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/v1/fails/crash", 500, "internal"),
        ("/v1/plain", 500, "internal"),
        ("/v1/fails/denied", 403, "forbidden"),
        ("/v1/fails/throttled", 429, "rate_limited"),
        ("/v1/fails/database", 503, "unavailable"),
        ("/v1/fails/ours", 404, "not_found"),
        ("/v1/fails/teapot", 500, "internal"),
        ("/v1/nothing-here", 404, "not_found"),
    ],
)
def test_a_failure_is_a_problem_document(
    api: Client, address: str, status: int, code: str, settings: Any
) -> None:
    settings.PUBLIC_URLCONF = __name__
    answer = api.get(address)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == answer["X-Request-ID"] == "req-of-the-caller"
    assert body["title"]
    assert "hunter2" not in answer.content.decode(), "a crash tells strangers nothing"
    assert ("Retry-After" in answer.headers) == (status in (429, 503))


@pytest.mark.urls(__name__)
def test_a_method_that_is_not_there_is_405_with_what_is(api: Client, settings: Any) -> None:
    settings.PUBLIC_URLCONF = __name__
    answer = api.delete("/v1/models")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in answer["Allow"]


@pytest.mark.urls(__name__)
def test_every_faulty_field_of_a_body_is_pointed_at(api: Client, settings: Any) -> None:
    settings.PUBLIC_URLCONF = __name__
    body = {"lines": [{"count": 1}, {"count": 0}, {}]}
    answer = api.post("/v1/fails/x", body, content_type="application/json")
    assert answer.status_code == 400
    found = {(error["pointer"], error["code"]) for error in answer.json()["errors"]}
    assert found == {("/name", "required"), ("/lines/1/count", "min_value"), ("/lines/2/count", "required")}


def test_a_missing_key_names_the_scheme(db: None) -> None:
    answer = Client(headers={"host": "localhost"}).get("/v1/models")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert answer["Content-Type"] == "application/problem+json"


def test_pages_of_people_get_a_page_not_json(db: None) -> None:
    answer = Client(headers={"host": "nowhere.localhost", "accept": "text/html"}).get("/")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


def test_a_request_id_that_is_not_well_formed_is_replaced(db: None) -> None:
    for given in ("short", "x" * 81, "with space inside", "new\tline-12345"):
        answer = Client(headers={"host": "localhost", "x-request-id": given}).get("/livez")
        assert answer["X-Request-ID"].startswith("req_")
    kept = Client(headers={"host": "localhost", "x-request-id": "abc:DEF-1.2_3"}).get("/livez")
    assert kept["X-Request-ID"] == "abc:DEF-1.2_3"


def test_the_request_context_ends_with_the_request() -> None:
    seen: list[str] = []

    def view(_request: HttpRequest) -> HttpResponse:
        seen.append(request_context.current().request_id)
        return HttpResponse()

    request = RequestFactory().get("/", headers={"x-request-id": "req-12345678"})
    request.resolver_match = None  # type: ignore[assignment]
    RequestContextMiddleware(view)(request)
    assert seen == ["req-12345678"]
    assert request_context.current() is request_context.NOTHING


def test_bare_error_answers_of_the_framework_become_documents_for_programs() -> None:
    middleware = ProblemMiddleware(lambda _request: HttpResponse("<h1>gone</h1>", status=404))
    program = RequestFactory().get("/x", headers={"accept": "application/json"})
    person = RequestFactory().get("/x", headers={"accept": "text/html,application/json"})
    assert middleware(program)["Content-Type"] == "application/problem+json"
    assert middleware(person).content == b"<h1>gone</h1>"


def test_an_error_says_what_is_wrong_where_and_whether_to_try_again() -> None:
    class Odd(AppError):
        code = "odd"
        title = "Odd"
        template = "{row} is odd."

    fault = FieldError("odd", "odd", row=3, column="y")
    body = problems.of_error(Odd(row=3, hidden={"a": 1}))
    assert (body["status"], body["detail"], body["row"], body["retryable"]) == (400, "3 is odd.", 3, False)
    assert "hidden" not in body
    body = problems.of_error(Odd(row=3, errors=[fault]))
    assert body["errors"] == [{"code": "odd", "detail": "odd", "row": 3, "column": "y"}]
    assert "row" not in body, "the fault says it"
    limited = problems.of_app_error(RateLimited(what="calls", retry_after=7, retry_after_seconds=7))
    assert limited["Retry-After"] == "7"
