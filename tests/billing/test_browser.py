"""A person upgrades in a real browser, past the content security policy, to the simulator and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import Membership, User
from apps.accounts.permissions import Role
from tests import factories
from tests.billing.conftest import PASSWORD, WEBHOOK
from tests.billing.serving import serving
from tests.browser.driving import Watch, chromium, shoot
from tests.stripe_sim.running import API_KEY, SECRET, free_port, simulator


def owner_of_acme() -> str:
    user = User(email="alice@acme.example")
    user.set_password(PASSWORD)
    user.save()
    Membership.objects.create(tenant_id=factories.tenant("acme").id, user=user, role=Role.OWNER)
    return user.email


@pytest.mark.browser
def test_an_owner_upgrades_pays_at_the_simulator_and_comes_back_to_the_new_plan(
    committed: None, settings: Any, tmp_path: Path
) -> None:
    port, email = free_port(), owner_of_acme()
    webhook = f"http://127.0.0.1:{port}{WEBHOOK}"
    settings.PUBLIC_PORT = port
    with serving(port), simulator(tmp_path / "state.sqlite3", webhook_url=webhook) as sim:
        settings.STRIPE_API_KEY, settings.STRIPE_API_BASE = API_KEY, sim.origin
        settings.STRIPE_WEBHOOK_SECRET, settings.STRIPE_SIMULATED = SECRET, True
        with chromium() as browser:
            context = browser.new_context()
            watch = Watch(context, "localhost")
            walk(context.new_page(), f"http://localhost:{port}", f"http://acme.localhost:{port}", email)
            context.close()
    watch.nothing_wrong()


def walk(page: Page, bare: str, acme: str, email: str) -> None:
    page.goto(f"{bare}/login/")
    page.fill("[name=email]", email)
    page.fill("[name=password]", PASSWORD)
    page.click("main button[type=submit]")
    page.goto(f"{acme}/plan/")
    expect(page.get_by_text("No real money.")).to_be_visible()
    shoot(page, "plan-free")
    page.click("#plan-team button")
    expect(page.get_by_text("No card is charged")).to_be_visible()
    shoot(page, "checkout")
    page.click("#pay")
    expect(page.get_by_text("You are on Team.")).to_be_visible()
    expect(page.locator(".topbar")).to_contain_text("Team")
    shoot(page, "returned")
    page.goto(f"{acme}/plan/")
    expect(page.get_by_role("heading", name="You are on Team")).to_be_visible()
    shoot(page, "plan-team")
    page.get_by_role("button", name="Manage billing").click()
    expect(page.get_by_role("heading", name="Manage billing")).to_be_visible()
    shoot(page, "portal")
    page.get_by_label("Almanac Business").check()
    page.get_by_role("button", name="Change plan").click()
    expect(page.get_by_role("heading", name="Almanac Business")).to_be_visible()
    page.click("#back")
    expect(page).to_have_url(f"{acme}/plan/")
