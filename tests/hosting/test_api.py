"""``/v1/hosted-models`` and predictions: brought, promoted, asked, counted, deleted."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.audit.models import AuditEvent
from apps.core import storage
from apps.core.tenancy import TenantKey
from apps.events.models import Event
from apps.hosting import services
from apps.hosting.errors import HostedNameTaken
from apps.hosting.models import HostedModel, HostedVersion
from apps.hosting.sandbox import pool
from apps.jobs.models import Job
from apps.training import services as training
from apps.usage import queries as usage
from apps.usage.kinds import PREDICTIONS, TEST_PREDICTIONS
from tenants.context import tenant_scope
from tests import brought, factories, trained
from tests.hosting import making

Program = Callable[..., Client]
OTHER = brought.TREE.replace("leaf_value=1 3", "leaf_value=10 30").encode()


@pytest.fixture
def client(acme: TenantKey, program: Program) -> Client:
    return program(acme, "models:read", "models:deploy", "forecasts:run")


def files_of(key: TenantKey) -> list[str]:
    """All but folders."""
    return [each for each in storage.list_files(key) if Path(each).is_file()]


def bring(
    client: Client, data: bytes = brought.TREE.encode(), name: str = "shop", signature: Any = None
) -> Any:
    given = brought.SIGNATURE if signature is None else signature
    form = {
        "file": SimpleUploadedFile("model.bin", data),
        "name": name,
        "signature": given if isinstance(given, str) else json.dumps(given),
    }
    return client.post("/v1/hosted-models", form)


def ask(client: Client, instances: Any, name: str = "shop", **more: Any) -> Any:
    body = {"instances": instances, **more}
    return client.post(f"/v1/models/{name}/predict", body, content_type="application/json")


def test_a_model_is_brought_and_answers_by_position_and_by_name(client: Client) -> None:
    brought_one = bring(client)
    assert brought_one.status_code == 201, brought_one.json()
    version = brought_one.json()
    assert (version["version"], version["format"], version["serves"]) == (1, "lightgbm", True)
    assert version["report"]["trial"]["answer"] == 1
    answer = ask(client, [[1, 2], [30, None], {"stock": 5, "price": 20}])
    assert answer.status_code == 200, answer.json()
    assert answer.json()["predictions"] == [1, 3, 3]
    meta = answer.json()["meta"]
    assert (meta["model"], meta["version"], meta["sha256"]) == ("shop", 1, version["sha256"])
    assert meta["units"] == {"predictions": 3}


def test_an_onnx_classifier_answers_with_probabilities_of_its_classes(client: Client) -> None:
    signature = {"features": ["a", "b"], "output": "probabilities", "classes": ["x", "y", "z"]}
    assert bring(client, making.softmax(), signature=signature).status_code == 201
    answer = ask(client, [[0, 0]]).json()
    assert answer["predictions"][0] == pytest.approx([1 / 3] * 3)
    assert answer["meta"]["classes"] == ["x", "y", "z"]


def test_rows_are_counted_once_they_are_answered_and_apart_for_test_keys(
    client: Client, acme: TenantKey
) -> None:
    bring(client)
    assert ask(client, [[1, 2]] * 7).status_code == 200
    assert ask(client, [[1]]).status_code == 422
    with tenant_scope(acme):
        services.predict(name="shop", instances=[[1, 2]], caller=services.Caller(mode="test"))
        assert [(each.kind, each.quantity) for each in usage.list_events(kind=PREDICTIONS)] == [
            (PREDICTIONS, 7)
        ]
        (test,) = usage.list_events(kind=TEST_PREDICTIONS)
        assert test.quantity == 1


def test_a_second_version_answers_once_it_is_promoted_or_named(client: Client) -> None:
    bring(client)
    second = bring(client, OTHER).json()
    assert (second["version"], second["serves"]) == (2, False)
    assert ask(client, [[1, 2]]).json()["predictions"] == [1]
    assert ask(client, [[1, 2]], version=2).json()["predictions"] == [10]
    promoted = client.post("/v1/hosted-models/shop/versions/2/promote")
    assert promoted.status_code == 200
    assert ask(client, [[1, 2]]).json()["meta"]["version"] == 2
    assert client.get("/v1/hosted-models").json()["data"][0]["champion"]["version"] == 2


def test_every_change_is_audited_and_told(committed: None) -> None:
    with tenant_scope(factories.tenant("acme").key):
        brought.model()
        brought.model(data=OTHER)
        services.promote(name="shop", number=2)
        services.archive(name="shop", number=1)
        services.delete_version(name="shop", number=1)
        services.delete_model(name="shop")
        found = AuditEvent.objects.filter(action__startswith="model.").order_by("occurred_at", "id")
        audited = [each.action.removeprefix("model.") for each in found]
    assert audited == ["registered", "promoted", "registered", "promoted", "archived", "deleted", "deleted"]
    told = Event.objects.using("owner").filter(type__startswith="model.").order_by("occurred_at", "id")
    assert [each.type.removeprefix("model.") for each in told] == audited
    assert (told[0].data["model"], told[0].data["version"]) == ("shop", 1)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"signature": "no JSON"}, "/signature"),
        ({"signature": {"output": "regression"}}, "/signature/features"),
        ({"signature": {"features": ["a", "a"], "output": "regression"}}, "/signature/features"),
        ({"signature": {"features": ["a", "b"], "output": "words"}}, "/signature/output"),
        ({"signature": {"features": ["a", "b"], "output": "probabilities"}}, "/signature/classes"),
        ({"signature": {**brought.SIGNATURE, "example": [1]}}, "/signature/example"),
        ({"signature": {**brought.SIGNATURE, "example": [1, "x"]}}, "/signature/example/1"),
        ({"signature": {**brought.SIGNATURE, "shape": 1}}, "/signature/shape"),
        ({"name": "no slug!"}, "/name"),
        ({"data": b"\x80pickle"}, "/file"),
    ],
)
def test_what_does_not_do_is_refused_with_a_pointer_and_leaves_nothing(
    client: Client, acme: TenantKey, fields: dict[str, Any], pointer: str
) -> None:
    before = files_of(acme)
    answer = bring(client, **fields)
    assert answer.status_code == 422
    assert answer.json()["code"] == "model_refused"
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]
    with tenant_scope(acme):
        assert not HostedModel.objects.exists()
    assert files_of(acme) == before


def test_a_form_without_a_file_is_told_so(client: Client) -> None:
    answer = client.post("/v1/hosted-models", {"name": "shop", "signature": brought.SIGNATURE_TEXT})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/file")


def test_a_file_above_the_limit_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.hosting.services.bringing.MAX_BYTES", 100)
    answer = bring(client)
    assert (answer.status_code, answer.json()["code"]) == (413, "model_file_too_large")


def test_a_trained_models_name_is_taken(client: Client, acme: TenantKey) -> None:
    with tenant_scope(acme):
        trained.model("sales")
    answer = bring(client, name="sales")
    assert (answer.status_code, answer.json()["code"]) == (409, "model_name_taken")


def test_a_training_cannot_take_a_hosted_models_name(client: Client, acme: TenantKey) -> None:
    bring(client)
    with tenant_scope(acme):
        dataset = trained.model("sales").model.dataset
        with pytest.raises(HostedNameTaken, match="A hosted model is called 'shop'"):
            training.start(dataset_slug=dataset.slug, horizon=3, model_name="shop")


@pytest.mark.parametrize(
    ("instances", "pointer"),
    [
        ([], "/instances"),
        ("rows", "/instances"),
        ([[1, 2]] * 10_001, "/instances"),
        ([[1, 2], [1]], "/instances/1"),
        ([[1, "2"]], "/instances/0/1"),
        ([[True, 2]], "/instances/0/0"),
        ([{"price": 1}], "/instances/0"),
        ([{"price": 1, "stock": 2, "x": 3}], "/instances/0/x"),
        ([7], "/instances/0"),
    ],
)
def test_rows_that_do_not_fit_are_pointed_at(client: Client, instances: Any, pointer: str) -> None:
    bring(client)
    answer = ask(client, instances)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_instances")
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]


def test_a_model_that_fails_on_some_rows_says_so_and_nothing_is_counted(
    client: Client, acme: TenantKey
) -> None:
    nodes = making.model(
        making.graph(
            [
                making.helper.make_node("MatMul", ["x", "w"], ["z"]),
                making.helper.make_node("Log", ["z"], ["y"]),
            ],
            [making.constant("w", [[1.0], [1.0]])],
        )
    )
    assert bring(client, nodes).status_code == 201
    answer = ask(client, [[1, 2], [-5, 1]])
    assert (answer.status_code, answer.json()["code"]) == (422, "model_failed")
    assert "row 1" in answer.json()["detail"]
    with tenant_scope(acme):
        assert not usage.list_events(kind=PREDICTIONS)


def test_a_crash_is_told_and_the_next_calls_are_answered_after_a_pause(
    client: Client, acme: TenantKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(client)
    ask(client, [[1, 2]])
    os.kill(pool.hosts.pids()[acme.schema], signal.SIGSTOP)
    monkeypatch.setattr("apps.hosting.services.asking.ASK_SECONDS", 1.0)
    slow = ask(client, [[1, 2]])
    assert (slow.status_code, slow.json()["code"]) == (422, "model_too_slow")
    busy = ask(client, [[1, 2]])
    assert (busy.status_code, busy.json()["code"], busy["Retry-After"]) == (503, "model_host_busy", "1")


def test_a_process_that_was_taken_over_is_not_believed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(client)
    for lie in ([], ["text"], [None], [[1]], [1, 2]):
        monkeypatch.setattr(pool.hosts, "ask", lambda *_args, told=lie: {"predictions": told})
        answer = ask(client, [[1, 2]])
        assert (answer.status_code, answer.json()["code"]) == (422, "model_failed")


def test_what_answers_cannot_be_deleted_or_archived_and_an_archived_version_answers_no_more(
    client: Client,
) -> None:
    bring(client)
    bring(client, OTHER)
    one, two = "/v1/hosted-models/shop/versions/1", "/v1/hosted-models/shop/versions/2"
    assert client.delete(one).json()["code"] == "version_serves"
    assert client.post(f"{one}/archive").json()["code"] == "version_serves"
    assert client.post(f"{two}/archive").status_code == 200
    assert ask(client, [[1, 2]], version=2).json()["code"] == "version_archived"
    assert client.post(f"{two}/promote").json()["code"] == "version_archived"
    assert client.post(f"{two}/unarchive").status_code == 200
    assert client.delete(two).status_code == 204
    assert bring(client, OTHER).json()["version"] == 3


def test_a_deleted_models_file_goes_unless_another_version_is_the_same(
    client: Client, acme: TenantKey
) -> None:
    bring(client)
    bring(client, name="other")
    with tenant_scope(acme):
        path = HostedVersion.objects.earliest("created_at").path
    client.delete("/v1/hosted-models/shop")
    with tenant_scope(acme):
        services.forget(paths=[path])
        assert storage.exists(acme, path)
    client.delete("/v1/hosted-models/other")
    with tenant_scope(acme):
        assert Job.objects.filter(kind="hosting.forget").count() == 2
        services.forget(paths=[path])
        assert not storage.exists(acme, path)


def test_another_tenants_model_is_not_there(client: Client, globex: TenantKey, program: Program) -> None:
    bring(client)
    mallory = program(globex, "models:read", "models:deploy", "forecasts:run")
    assert ask(mallory, [[1, 2]]).status_code == 404
    assert mallory.get("/v1/hosted-models/shop").status_code == 404
    assert mallory.get("/v1/hosted-models").json() == {"data": []}
