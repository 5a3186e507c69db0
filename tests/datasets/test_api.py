"""``/v1/datasets`` with a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.api_keys import services as api_keys
from apps.core.tenancy import TenantKey
from tenants.context import tenant_scope
from tests.datasets.csv_files import HEADER, daily

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def api(acme: TenantKey) -> Callable[..., Client]:
    """A client with a key of acme that has these scopes."""

    def make(*scopes: str) -> Client:
        with tenant_scope(acme):
            _, text = api_keys.create(name="test", scopes=list(scopes or ("datasets:read", "datasets:write")))
        return Client(headers={"host": "localhost", "authorization": f"Bearer {text}"})

    return make


def post(client: Client, text: str, **fields: str) -> Any:
    return client.post("/v1/datasets", {"file": SimpleUploadedFile("sales.csv", text.encode()), **fields})


def test_a_csv_becomes_a_data_set_that_can_be_listed_and_read(api: Callable[..., Client]) -> None:
    client = api()
    created = post(client, daily(), name="Corner sales")
    assert created.status_code == 201
    assert created["Location"].endswith("/v1/datasets/corner-sales")
    body = created.json()
    assert (body["name"], body["version"]["rows"], body["version"]["frequency"]) == ("corner-sales", 40, "D")
    assert body["columns"]["mapping"]["value"] == "y"
    assert client.get("/v1/datasets/corner-sales").json() == body
    listed = client.get("/v1/datasets").json()
    assert [item["name"] for item in listed["data"]] == ["corner-sales"]
    assert listed["pagination"] == {"next_cursor": None, "has_more": False}


def test_a_mapping_lays_over_the_guess(api: Callable[..., Client]) -> None:
    text = daily(header="unique_id,ds,y,other").replace(".5\n", ".5,7\n")
    mapping = json.dumps({"value": "other"})
    body = post(api(), text, mapping=mapping, gap_rule="zero").json()
    assert body["columns"]["mapping"]["value"] == "other"
    assert body["columns"]["mapping"]["covariates"] == []
    assert body["recipe"] is None  # nothing is missing


def test_a_refused_file_is_a_problem_that_names_row_and_column(api: Callable[..., Client]) -> None:
    response = post(api(), daily().replace("2024-01-05,5.5", "2024-01-32,5.5"))
    assert (response.status_code, response["Content-Type"]) == (422, "application/problem+json")
    fault = response.json()["errors"][0]
    assert (fault["row"], fault["column"], fault["code"]) == (6, "ds", "not_a_time")


def test_an_open_question_lists_the_answers_and_one_of_them_settles_it(api: Callable[..., Client]) -> None:
    client = api()
    text = f"{HEADER}\n" + "".join(f"a,0{day}/01/2024,1.5\n" for day in range(1, 9))
    response = post(client, text)
    assert response.status_code == 422
    question = response.json()["questions"][0]
    assert (question["choice"], [option["value"] for option in question["options"]]) == (
        "format:ds",
        ["D/M/YYYY", "M/D/YYYY"],
    )
    answered = post(client, text, mapping=json.dumps({"choices": {"format:ds": "D/M/YYYY"}}))
    assert answered.json()["version"]["last_ds"] == "2024-01-08"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"mapping": "{"}, "mapping_invalid"),
        ({"mapping": "[" * 100_000}, "mapping_invalid"),
        ({"mapping": "[]"}, "mapping_invalid"),
        ({"mapping": '{"when": "ds"}'}, "mapping_invalid"),
        ({"mapping": '{"time": 7}'}, "mapping_invalid"),
        ({"mapping": '{"series": [7]}'}, "mapping_invalid"),
        ({"mapping": '{"choices": {"a": 1}}'}, "mapping_invalid"),
        ({"gap_rule": "magic"}, "mapping_invalid"),
        ({"name": "x" * 121}, "mapping_invalid"),
    ],
)
def test_fields_that_are_not_ours_are_refused_before_the_file_is_read(
    api: Callable[..., Client], fields: dict[str, str], code: str
) -> None:
    response = post(api(), daily(), **fields)
    assert (response.status_code, response.json()["code"]) == (400, code)


def test_a_call_without_file_says_so(api: Callable[..., Client]) -> None:
    response = api().post("/v1/datasets", {"name": "x"})
    assert (response.status_code, response.json()["code"]) == (400, "file_missing")


def test_reading_does_not_include_writing(api: Callable[..., Client]) -> None:
    client = api("datasets:read")
    assert client.get("/v1/datasets").status_code == 200
    assert post(client, daily()).status_code == 403


def test_an_absent_data_set_is_a_404(api: Callable[..., Client]) -> None:
    assert api().get("/v1/datasets/nothing").json()["code"] == "not_found"
