"""``/v1/models``: versions by any of their names, and which of them answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps import engine
from apps.core.tenancy import TenantKey
from apps.registry import queries
from apps.registry.models import ModelVersion
from apps.training.models import TrainingRun
from tenants.context import tenant_scope
from tests import trained
from tests.forecasts.conftest import program
from tests.registry.publishing import Mirror, publish

__all__ = ["program"]
Program = Callable[..., Client]


@pytest.fixture
def client(acme: TenantKey, first: ModelVersion, mirror: Mirror, program: Program) -> Client:
    """A program that may choose, and three versions: the champion, a challenger of other levels, and one without a name."""
    with tenant_scope(acme):
        publish(first, "challenger", levels=[95], metrics={"mase": 0.5}, seed=7)
        publish(first, "register")
    return program(acme, "models:read", "models:deploy")


def post(client: Client, path: str, body: Any = None) -> Any:
    return client.post(f"/v1/models/sales/{path}", body or {}, content_type="application/json")


def named(client: Client) -> dict[str, str | None]:
    model = client.get("/v1/models/sales").json()
    return {
        alias: model[alias] and model[alias]["semver"] for alias in ("champion", "challenger", "previous")
    }


def test_versions_are_listed_newest_first_page_by_page(client: Client) -> None:
    one = client.get("/v1/models/sales/versions?limit=2").json()
    rest = client.get(f"/v1/models/sales/versions?cursor={one['pagination']['next_cursor']}").json()
    found = [*one["data"], *rest["data"]]
    assert [(each["version"], each["semver"], each["aliases"]) for each in found] == [
        (3, "3.0.0", []),
        (2, "2.0.0", ["challenger"]),
        (1, "1.0.0", ["champion"]),
    ]


@pytest.mark.parametrize("ref", ["challenger", "2", "v2", "2.0.0"])
def test_a_version_answers_to_each_of_its_names(client: Client, ref: str) -> None:
    body = client.get(f"/v1/models/sales/versions/{ref}").json()
    assert (body["version"], body["ref"], body["levels"], body["dependants"]) == (2, "sales@2.0.0", [95], [])


def test_promoting_and_rolling_back(client: Client) -> None:
    answer = post(client, "versions/challenger/promote", {"expected_champion": "1.0.0"})
    assert (answer.status_code, answer.json()["aliases"]) == (200, ["champion"])
    assert named(client) == {"champion": "2.0.0", "challenger": None, "previous": "1.0.0"}
    late = post(client, "versions/3/promote", {"expected_champion": "1"})
    assert (late.status_code, late.json()["code"]) == (409, "champion_changed")
    assert post(client, "rollback").json()["semver"] == "1.0.0"
    assert named(client) == {"champion": "1.0.0", "challenger": None, "previous": "2.0.0"}


def test_what_cannot_be_is_said(client: Client) -> None:
    calls = {
        "rollback": (409, "no_previous_version"),
        "versions/1/archive": (409, "version_serves"),
        "versions/9/promote": (404, "not_found"),
        "versions/latest/promote": (404, "not_found"),
    }
    for path, expected in calls.items():
        answer = post(client, path)
        assert (answer.status_code, answer.json()["code"]) == expected, path
    assert client.delete("/v1/models/sales/versions/champion").json()["code"] == "version_serves"
    assert post(client, "versions/3/promote", {"expected": "1"}).status_code == 400


def test_an_archived_version_is_read_but_not_promoted(client: Client) -> None:
    assert post(client, "versions/3/archive").json()["archived_at"]
    answer = post(client, "versions/3/promote")
    assert (answer.status_code, answer.json()["code"]) == (409, "version_archived")
    assert post(client, "versions/3/unarchive").json()["archived_at"] is None
    assert post(client, "versions/3/promote").status_code == 200


def test_a_version_and_a_model_are_deleted(client: Client) -> None:
    assert client.delete("/v1/models/sales/versions/3").status_code == 204
    assert client.get("/v1/models/sales/versions/3").status_code == 404
    assert client.delete("/v1/models/sales").status_code == 204
    assert client.get("/v1/models/sales").status_code == 404


def test_the_bundle_is_a_file_with_its_hash_that_the_engine_loads(
    client: Client, first: ModelVersion
) -> None:
    answer: Any = client.get("/v1/models/sales/versions/champion/bundle")
    data = b"".join(answer.streaming_content)
    assert answer["X-Content-SHA256"] == hashlib.sha256(data).hexdigest() == first.bundle_sha256
    assert int(answer["Content-Length"]) == len(data) == first.bundle_bytes
    assert 'filename="sales-1.0.0.alm"' in answer["Content-Disposition"]
    assert engine.load_bundle(data, first.bundle_sha256).meta.kind == "seasonal_naive"


def test_two_versions_are_compared(acme: TenantKey, client: Client, first: ModelVersion) -> None:
    with tenant_scope(acme):
        second = queries.resolve(name="sales", ref="2")
        ModelVersion.objects.filter(id=first.id).update(metrics={"mase": 0.75, "naive_mase": 1.0})
        for version, mase in ((first, 0.7), (second, 0.4)):
            TrainingRun.objects.create(
                dataset_id=first.model.dataset_id,
                dataset_version_id=first.dataset_version_id,
                model_name="sales",
                job_id=version.job_id,
                model_version=version,
                breakdown={"horizon": [{"step": 1, "mase": mase}]},
            )
    body = client.get("/v1/models/sales/compare").json()
    assert (body["a"]["semver"], body["b"]["semver"], body["comparable"]) == ("1.0.0", "2.0.0", True)
    assert body["metrics"][0] == {"name": "mase", "a": 0.75, "b": 0.5, "better": "b"}
    assert body["metrics"][-1] == {"name": "naive_mase", "a": 1.0, "b": None, "better": None}
    assert body["horizon"] == [{"step": 1, "a": 0.7, "b": 0.4}]
    assert body["params"] == [{"name": "levels", "a": [80, 95], "b": [95]}, {"name": "seed", "a": 0, "b": 7}]
    assert body["a"]["data_version"] == body["b"]["data_version"] == 1


def test_versions_of_other_horizons_are_not_comparable(
    acme: TenantKey, client: Client, first: ModelVersion
) -> None:
    with tenant_scope(acme):
        publish(first, "register", horizon_max=trained.HORIZON - 1)
    assert client.get("/v1/models/sales/compare?b=4").json()["comparable"] is False


def test_choosing_needs_its_own_scope(acme: TenantKey, client: Client, program: Program) -> None:
    reader = program(acme, "models:read")
    assert reader.get("/v1/models/sales/versions/1").status_code == 200
    assert post(reader, "versions/2/promote").status_code == 403
    assert reader.delete("/v1/models/sales").status_code == 403
