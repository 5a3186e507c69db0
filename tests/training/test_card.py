"""The model card: everything that somebody who is to trust a version would ask, as JSON and as a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from apps.accounts.permissions import Role
from apps.api_keys import services as api_keys
from apps.core.tenancy import TenantKey
from apps.engine import importance
from apps.training.models import TrainingRun
from tenants.context import tenant_scope
from tests import trained
from tests.accounts.browser import Browser
from tests.dashboard.conftest import ACME, member

__all__ = ["member"]
Train = Callable[..., TrainingRun]


def program(tenant: TenantKey) -> Client:
    """With a key that may read models."""
    with tenant_scope(tenant):
        _key, text = api_keys.create(name="Reader", scopes=["models:read"])
    return Client(headers={"host": "localhost", "authorization": f"Bearer {text}"})


def test_the_card_says_what_it_is_for_what_it_saw_and_how_good_it_is(train: Train, tenant: TenantKey) -> None:
    train(candidates=["theta", "auto_ets", "seasonal_naive"])
    client = program(tenant)
    card = client.get("/v1/models/sales/versions/1/card").json()
    assert client.get("/v1/models/sales/versions/9.9.9/card").status_code == 404
    assert "3 series of “Sales”, 1 to 6 steps ahead" in str(card["intended_use"]["purpose"])
    assert card["semver"] == "1.0.0"
    assert (card["data"]["rows"], card["data"]["series"], card["data"]["version"]) == (216, 3, 1)
    assert sum(each["weight"] for each in card["members"]) == pytest.approx(1, abs=1e-3)
    steps = card["backtest"]["horizon"]
    assert [row["step"] for row in steps] == [1, 2, 3, 4, 5, 6]
    assert all({"mase", "naive_mase"} <= row.keys() for row in steps)
    assert card["approval"]["outcome"] in ("passed", "refused", "baseline")
    assert len(card["hashes"]["bundle_sha256"]) == 64
    assert card["lineage"]["training_run"].startswith("/v1/training-runs/run_")


def test_the_page_is_readable_also_where_no_backtest_was_kept(
    acme: TenantKey, member: Callable[..., Browser]
) -> None:
    with tenant_scope(acme):
        trained.model("sales")
    page = member(Role.VIEWER).visit(f"{ACME}/models/sales/versions/1.0.0/card/")
    text = page.content.decode()
    assert page.status_code == 200
    for heading in ("What it is for", "How good it is", "Intervals", "Limits", "Where it comes from"):
        assert heading in text
    assert "No series was long enough for a backtest" in text


def test_importance_counts_a_covariate_with_all_that_is_made_of_it() -> None:
    found = dict(importance.of(Path("tests/engine/bundles/2-covariates.alm").read_bytes()))
    assert sum(found.values()) == pytest.approx(1)
    assert "price" in found
    assert not [name for name in found if name.startswith("x_")]
    assert importance.of(Path("tests/engine/bundles/1-theta.alm").read_bytes()) == []
