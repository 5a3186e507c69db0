"""The publish gate, end to end: what does worse than the seasonal naive never answers, unless an owner says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.test import Client

from apps import engine
from apps.accounts.models import Membership, User
from apps.accounts.permissions import Role
from apps.audit.models import AuditEvent
from apps.core import storage
from apps.core.errors import Forbidden
from apps.core.tenancy import TenantKey
from apps.jobs.models import JobState
from apps.registry import queries as registry
from apps.registry import services as registry_services
from apps.registry.errors import GateRefused, OverrideTooShort
from apps.registry.models import Model, ModelVersion
from apps.registry.services import Override
from apps.training import policies, services
from apps.training.models import TrainingRun
from tenants.context import tenant_scope
from tests import trained
from tests.accounts.browser import Browser
from tests.dashboard.conftest import ACME, PASSWORD
from tests.forecasts.conftest import ask, program
from tests.training.conftest import finish, job_of

__all__ = ["program"]
Train = Callable[..., TrainingRun]
CANDIDATES = ["seasonal_window_average", "seasonal_naive_long", "damped", "standard_theta"]
REASON = "The last two years were unlike what is to come."


def seasonal_random_walk(months: int = 72, seed: int = 12) -> str:
    """Each month is the same month of the year before and noise: nothing can beat repeating the last season, and what
    looks better on some windows is worse on the others."""
    dice = np.random.default_rng(seed)
    values = np.zeros(months)
    values[:12] = dice.normal(0, 20, 12) + 200
    for step in range(12, months):
        values[step] = values[step - 12] + dice.normal(0, 5)
    lines = [
        f"a,{2015 + step // 12}-{step % 12 + 1:02d}-01,{float(each)!r}" for step, each in enumerate(values)
    ]
    return "\n".join(["unique_id,ds,y", *lines]) + "\n"


@pytest.fixture
def refused(train: Train, tenant: TenantKey) -> TrainingRun:
    """A training whose combination does worse than the naive."""
    run = train(text=seasonal_random_walk(), candidates=CANDIDATES, effort="fast")
    assert job_of(tenant, run).state == JobState.SUCCEEDED, job_of(tenant, run).error
    return run


def browser(tenant: TenantKey, role: Role) -> Browser:
    """In which a member with that role is logged in."""
    user = User(email=f"{role}@acme.example")
    user.set_password(PASSWORD)
    user.save()
    Membership.objects.create(tenant_id=tenant.id, user=user, role=role)
    made = Browser()
    made.log_in(user.email, PASSWORD)
    return made


def versions() -> list[tuple[int, str, str, list[str]]]:
    model = Model.objects.get()
    found = registry.list_versions(model=model).order_by("number")
    return [(each.number, each.algorithm, each.verdict["outcome"], model.aliases_of(each)) for each in found]


def test_a_combination_that_is_worse_is_kept_but_the_naive_serves(
    refused: TrainingRun, tenant: TenantKey, program: Callable[..., Client]
) -> None:
    with tenant_scope(tenant):
        assert versions() == [(1, "auto", "refused", []), (2, "seasonal_naive", "baseline", ["champion"])]
        worse, naive = registry.list_versions(model=Model.objects.get()).order_by("number")
        data = storage.read_content(tenant, naive.bundle_path, naive.bundle_sha256)
    assert refused.model_version == worse
    assert worse.verdict["evidence"]["skill"]["skill"] < -0.1
    assert [each["name"] for each in worse.verdict["checks"] if not each["passed"]] == ["skill", "certainty"]
    meta = engine.load_bundle(data, naive.bundle_sha256).meta
    assert (meta.kind, meta.horizon_max, meta.cutoff) == ("seasonal_naive", 6, worse.cutoff)
    assert all(each["calibrated"] for each in meta.intervals)
    assert naive.notice.startswith("The seasonal naive serves: version 1.0.0 (Combination of ")
    assert "above the seasonal naive's" in naive.notice
    assert f"Version {naive.semver} serves. {naive.notice}" in refused.notes
    client = program(tenant)
    shown = client.get("/v1/models/sales").json()
    assert (shown["champion"]["algorithm"], shown["notice"]) == ("seasonal_naive", naive.notice)
    assert client.get(f"/v1/training-runs/{refused.public_id}").json()["gate"] == "refused"
    verdict = client.get("/v1/models/sales/versions/1").json()["verdict"]
    assert (verdict["outcome"], verdict["why"]) == ("refused", worse.verdict["why"])
    assert "seasonal naive serves" in ask(client).json()["meta"]["warnings"][0]


def test_only_an_owner_who_says_why_has_it_answer_all_the_same(
    refused: TrainingRun, tenant: TenantKey
) -> None:
    with tenant_scope(tenant):
        for override, error in (
            (None, GateRefused),
            (Override(REASON, permitted=False), Forbidden),
            (Override(" so  what ", permitted=True), OverrideTooShort),
        ):
            with pytest.raises(error):
                registry_services.promote(model_name="sales", ref="1", override=override)
        assert registry.get_champion(name="sales").number == 2
        registry_services.promote(model_name="sales", ref="1", override=Override(REASON, permitted=True))
        assert versions() == [
            (1, "auto", "refused", ["champion"]),
            (2, "seasonal_naive", "baseline", ["previous"]),
        ]
        told = AuditEvent.objects.get(action="model.gate_overridden")
        assert (told.changes["reason"], told.changes["version"]) == (REASON, 1)
        registry_services.roll_back(model_name="sales")
        registry_services.roll_back(model_name="sales")
        registry_services.promote(model_name="sales", ref="2")
        registry_services.promote(model_name="sales", ref="1")  # what was overruled once stays so
        assert registry.resolve(name="sales", ref="1").verdict["override"]["reason"] == REASON


def test_a_key_overrules_only_with_a_scope_of_its_own(
    refused: TrainingRun, tenant: TenantKey, program: Callable[..., Client]
) -> None:
    path, reason = "/v1/models/sales/versions/1/promote", {"override_reason": REASON}
    deployer = program(tenant, "models:read", "models:deploy")
    owner = program(tenant, "models:read", "models:deploy", "models:override")

    def post(client: Client, body: dict[str, Any]) -> tuple[int, str | None]:
        answer = client.post(path, body, content_type="application/json")
        return answer.status_code, answer.json().get("code")

    assert post(deployer, {}) == (409, "gate_refused")
    assert post(deployer, reason) == (403, "forbidden")
    assert post(owner, {}) == (409, "gate_refused")
    assert post(owner, {"override_reason": "because"}) == (422, "override_too_short")
    assert post(owner, reason) == (200, None)


def test_the_pages_say_why_the_naive_serves_and_let_only_owners_overrule(
    refused: TrainingRun, tenant: TenantKey
) -> None:
    developer, owner = browser(tenant, Role.DEVELOPER), browser(tenant, Role.OWNER)
    page = developer.visit(f"{ACME}/training/{refused.public_id}/").content.decode()
    assert "The publish gate refused it:" in page
    page = developer.visit(f"{ACME}/models/sales/").content.decode()
    for words in (
        "The seasonal naive serves",
        "did not pass the publish gate",
        "Publish gate",
        "Leaderboard",
    ):
        assert words in page
    assert "Promote all the same" not in developer.visit(f"{ACME}/models/sales/versions/").content.decode()
    promote = f"{ACME}/models/sales/versions/1.0.0/promote/"
    assert developer.submit(promote, {}).status_code == 409
    assert developer.submit(promote, {"override_reason": REASON}).status_code == 403
    assert "Promote all the same" in owner.visit(f"{ACME}/models/sales/versions/").content.decode()
    assert "at least 10 characters" in owner.submit(promote, {"override_reason": "so"}).content.decode()
    assert "Version 1.0.0 answers" in owner.submit(promote, {"override_reason": REASON}).content.decode()
    page = owner.visit(f"{ACME}/models/sales/").content.decode()
    assert "An owner overruled the publish gate." in page
    assert REASON in page


def test_a_version_that_passed_serves_on_when_the_next_is_refused(train: Train, tenant: TenantKey) -> None:
    first = train(candidates=["auto_ets"])
    with tenant_scope(tenant):
        assert versions() == [(1, "auto_ets", "passed", ["champion"])]
        data = trained.dataset("Other", seasonal_random_walk())
        Model.objects.update(dataset=data)
        started = services.start(
            dataset_slug=data.slug, model_name="sales", horizon=6, candidates=CANDIDATES, effort="fast"
        )
    finish(tenant, started)
    with tenant_scope(tenant):
        assert versions() == [(1, "auto_ets", "passed", ["champion"]), (2, "auto", "refused", [])]
    assert first.model_version is not None


def test_a_job_that_is_done_twice_has_one_naive_serve(
    train: Train, tenant: TenantKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker dies after the naive was published; the next attempt finds both versions."""
    from datetime import timedelta

    from django.utils import timezone

    from tests.jobs.conftest import change

    class Killed(BaseException):
        pass

    def kill(*_args: Any) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(services, "_note_result", kill)
        with pytest.raises(Killed):
            train(text=seasonal_random_walk(), candidates=CANDIDATES, effort="fast")
    with tenant_scope(tenant):
        run = TrainingRun.objects.get()
    change(job_of(tenant, run), lease_until=timezone.now() - timedelta(seconds=1))
    finish(tenant, run)
    with tenant_scope(tenant):
        assert versions() == [(1, "auto", "refused", []), (2, "seasonal_naive", "baseline", ["champion"])]


def test_what_stands_in_is_trained_again_as_the_refused_one_was_asked_for(
    refused: TrainingRun, tenant: TenantKey
) -> None:
    settings = {
        "on_new_data": False,
        "quiet_minutes": 15,
        "cron": "0 6 * * 1",
        "zone": "UTC",
        "policy": "promote",
    }
    with tenant_scope(tenant):
        policy = policies.set_policy(model_name="sales", **settings, warm_start=True, refresh=True)
        wishes = policies._wishes(policy)
        assert ModelVersion.objects.count() == 2
    assert (wishes["candidates"], wishes["effort"], wishes["horizon"]) == (CANDIDATES, "fast", 6)
    assert (wishes["warm_from"], wishes["refresh_of"]) == (1, 2)
