"""Choosing what answers: aliases move on the locked row, each move is told once, and MLflow is asked to follow."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connections

from apps.audit.models import AuditEvent
from apps.core.errors import NotFound
from apps.core.tenancy import TenantKey
from apps.events.models import Event
from apps.jobs.models import Job
from apps.registry import queries, services
from apps.registry.errors import ChampionChanged, NoPreviousVersion, VersionArchived, VersionServes
from apps.registry.models import ModelVersion
from tenants.context import tenant_scope
from tests import factories, trained
from tests.registry.publishing import Mirror, publish


def aliases() -> dict[str, int]:
    """Which version each alias names."""
    model = queries.get_model(name="sales")
    return {
        alias: version.number
        for version in queries.list_versions(model=model)
        for alias in model.aliases_of(version)
    }


def told() -> list[str]:
    events = AuditEvent.objects.filter(action__startswith="model.").order_by("occurred_at", "id")
    return [event.action.removeprefix("model.") for event in events]


def emitted() -> list[str]:
    events = Event.objects.using("owner").filter(type__startswith="model.").order_by("occurred_at", "id")
    return [event.type.removeprefix("model.") for event in events]


@pytest.mark.parametrize("ref", ["champion", "1", "v1", "1.0.0"])
def test_a_version_has_many_names(acme: TenantKey, first: ModelVersion, ref: str) -> None:
    with tenant_scope(acme):
        assert queries.resolve(name="sales", ref=ref) == first
        assert queries.split_ref(f"sales@{ref}") == ("sales", ref)
        assert queries.split_ref("sales") == ("sales", "champion")


@pytest.mark.parametrize(
    "ref", ["challenger", "previous", "2", "v0", "0", "1.0.1", "latest", "", "١", "9" * 30]
)
def test_what_no_version_is_called_is_not_found(acme: TenantKey, first: ModelVersion, ref: str) -> None:
    with tenant_scope(acme), pytest.raises(NotFound, match="There is no model version 'sales@"):
        queries.resolve(name="sales", ref=ref)


def test_promoting_makes_the_champion_the_previous_one(
    acme: TenantKey, first: ModelVersion, mirror: Mirror
) -> None:
    with tenant_scope(acme):
        publish(first, "challenger")
        assert aliases() == {"champion": 1, "challenger": 2}
        services.promote(model_name="sales", ref="challenger")
        assert aliases() == {"champion": 2, "previous": 1}
        services.promote(model_name="sales", ref="champion")
        assert told() == ["registered", "promoted"], "what answers already is not promoted again"
        assert Job.objects.filter(kind="registry.mirror_aliases").count() == 2


def test_rolling_back_is_one_move_and_can_be_taken_back(
    acme: TenantKey, first: ModelVersion, mirror: Mirror
) -> None:
    with tenant_scope(acme):
        with pytest.raises(NoPreviousVersion):
            services.roll_back(model_name="sales")
        publish(first)
        assert services.roll_back(model_name="sales").number == 1
        assert aliases() == {"champion": 1, "previous": 2}
        assert services.roll_back(model_name="sales").number == 2
        assert told() == ["registered", "promoted", "rolled_back", "rolled_back"]
        changes = AuditEvent.objects.filter(action="model.rolled_back").latest("occurred_at", "id").changes
    assert changes == {"version": 2, "semver": "1.1.0", "before": 1, "after": 2}


def test_each_change_is_one_event(committed: None) -> None:
    acme = factories.tenant("acme").key
    with tenant_scope(acme):
        first = trained.model("sales")
        second = trained.model("sales", of=first.model.dataset)
        services.promote(model_name="sales", ref="1")
        services.roll_back(model_name="sales")
        services.archive(model_name="sales", ref="1")
        services.unarchive(model_name="sales", ref="1")
        services.delete_version(model_name="sales", ref="1")
        services.delete_model(model_name="sales")
    assert second.number == 2
    assert emitted() == ["promoted", "rolled_back", "archived", "unarchived", "deleted", "deleted"]


@pytest.mark.parametrize("expected", ["1", "v1", "1.0.0"])
def test_who_is_late_is_told_what_answers_by_now(
    acme: TenantKey, first: ModelVersion, mirror: Mirror, expected: str
) -> None:
    with tenant_scope(acme):
        publish(first, "register")
        publish(first, "register")
        services.promote(model_name="sales", ref="2", expected_champion=expected)
        for late in (
            lambda: services.promote(model_name="sales", ref="3", expected_champion=expected),
            lambda: services.roll_back(model_name="sales", expected_champion=expected),
        ):
            with pytest.raises(ChampionChanged, match=r"is version 1\.1\.0"):
                late()
        assert aliases() == {"champion": 2, "previous": 1}


def test_of_two_promotions_at_once_one_wins(committed: None) -> None:
    acme = factories.tenant("acme").key
    with tenant_scope(acme):
        first = trained.model("sales")
        for _ in range(2):
            trained.model("sales", of=first.model.dataset)
        services.promote(model_name="sales", ref="1")
    both, outcomes = threading.Barrier(2), []

    def run(ref: str) -> None:
        both.wait()
        try:
            with tenant_scope(acme):
                services.promote(model_name="sales", ref=ref, expected_champion="1")
            outcomes.append(ref)
        except ChampionChanged as error:
            outcomes.append(error.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(ref,)) for ref in ("2", "3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, reverse=True)[0] == "champion_changed"
    winner = int(min(outcomes))
    with tenant_scope(acme):
        assert aliases() == {"champion": winner, "previous": 1}


def test_what_is_archived_answers_no_more(acme: TenantKey, first: ModelVersion, mirror: Mirror) -> None:
    with tenant_scope(acme):
        publish(first)
        publish(first, "challenger")
        with pytest.raises(VersionServes, match="cannot be archived"):
            services.archive(model_name="sales", ref="champion")
        services.archive(model_name="sales", ref="challenger")
        services.archive(model_name="sales", ref="previous")
        assert aliases() == {"champion": 2}
        with pytest.raises(VersionArchived):
            services.promote(model_name="sales", ref="1")
        services.unarchive(model_name="sales", ref="1")
        services.promote(model_name="sales", ref="1")
        assert aliases() == {"champion": 1, "previous": 2}


def test_mlflow_is_told_what_the_row_says_last(
    acme: TenantKey, first: ModelVersion, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody promotes while the aliases are written: they are written once more."""
    written: list[dict[str, str]] = []

    def write(*, name: str, versions: dict[str, str]) -> None:
        assert name == f"{acme.schema}.sales"
        written.append(versions)
        if len(written) == 1:
            services.promote(model_name="sales", ref="3")

    monkeypatch.setattr("apps.registry.mlflow_store.set_aliases", write)
    with tenant_scope(acme):
        publish(first)
        publish(first, "register")
        services.mirror_aliases(model_name="sales")
        services.mirror_aliases(model_name="gone")
    assert written == [{"champion": "1"}, {"champion": "2", "previous": "1"}], "version 1 never was in MLflow"


def test_globex_chooses_nothing_of_acmes(acme: TenantKey, globex: TenantKey, first: ModelVersion) -> None:
    calls: list[Any] = [
        lambda: services.promote(model_name="sales", ref="1"),
        lambda: services.roll_back(model_name="sales"),
        lambda: services.archive(model_name="sales", ref="1"),
        lambda: services.delete_version(model_name="sales", ref="1"),
        lambda: services.delete_model(model_name="sales"),
    ]
    with tenant_scope(globex):
        for call in calls:
            with pytest.raises(NotFound):
                call()
