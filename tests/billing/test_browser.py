"""A person upgrades in a real browser, past the content security policy, to the simulator and back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from apps.accounts.models import Membership, User
from apps.accounts.permissions import Role
from tests import factories
from tests.billing.conftest import PASSWORD, WEBHOOK
from tests.billing.serving import serving
from tests.stripe_sim.running import API_KEY, SECRET, free_port, simulator

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SHOTS = os.environ.get("ALMANAC_SHOTS")


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the page where ALMANAC_SHOTS names a folder for them."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


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
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            refused: list[str] = []
            page.on("console", lambda said: refused.append(said.text) if said.type == "error" else None)
            walk(page, f"http://localhost:{port}", f"http://acme.localhost:{port}", email)
            browser.close()
    assert refused == []


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
    expect(page.get_by_text("You are on Team.")).to_be_visible(timeout=20_000)
    expect(page.locator(".topbar")).to_contain_text("Team")
    shoot(page, "returned")
    page.goto(f"{acme}/plan/")
    expect(page.get_by_role("heading", name="You are on Team")).to_be_visible()
    shoot(page, "plan-team")
    page.emulate_media(color_scheme="dark")
    shoot(page, "plan-team-dark")
    page.get_by_role("button", name="Manage billing").click()
    expect(page.get_by_role("heading", name="Manage billing")).to_be_visible()
    shoot(page, "portal-dark")
    page.get_by_label("Almanac Business").check()
    page.get_by_role("button", name="Change plan").click()
    expect(page.get_by_role("heading", name="Almanac Business")).to_be_visible()
    page.click("#back")
    expect(page).to_have_url(f"{acme}/plan/")
