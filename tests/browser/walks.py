"""Parts of the journey that several tests walk, and what a program does beside them."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.driving import inked, json_block
from tests.browser.people import heading, look
from tests.browser.shopkeeper import Shop
from tests.browser.stack import Stack

EXPLAINED_MS = 60_000  # the first one reads large libraries
BANDS = ("lo-80", "hi-80", "lo-95", "hi-95")


def ask(stack: Stack, key: str, path: str = "forecasts", **body: Any) -> httpx.Response:
    """A program's call, with its key."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{stack.api}/v1/{path}", json=body, headers=headers, timeout=60)


def run_curl(command: str, key: str) -> dict[str, Any]:
    """The command as pasted, with the key in its place."""
    assert "$ALMANAC_API_KEY" in command
    done = subprocess.run(
        ["sh", "-c", command.replace("$ALMANAC_API_KEY", key) + " -sS -w '\\n%{http_code}'"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    content, _, status = done.stdout.rpartition("\n")
    assert status == "200", content
    answer: dict[str, Any] = json.loads(content)
    return answer


def check_csv(path: Path, answer: dict[str, Any]) -> None:
    """The file says what the program was told, digit for digit."""
    told = [{"unique_id": each["series_id"], **row} for each in answer["series"] for row in each["forecast"]]
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["unique_id"], row["ds"]) for row in rows] == [(row["unique_id"], row["ds"]) for row in told]
    for name in ("mean", *BANDS):
        assert [float(row[name]) for row in rows] == [row[name] for row in told]


def explain(page: Page, answer: dict[str, Any], series: int, step: int) -> None:
    """Ask why on a forecast's page, wait for the waterfall, and add its parts up."""
    asked, form = answer["series"][series], page.locator("#explain")
    form.get_by_label("Series").select_option(asked["series_id"])
    form.get_by_label("Step").fill(str(step))
    form.get_by_role("button", name="Explain").click()
    heading(page, "Why this number?")
    expect(page.locator("[data-source=explanation-chart] canvas")).to_be_visible(timeout=EXPLAINED_MS)
    found = json_block(page, "explanation-chart")
    whole = found["base"] + sum(part["value"] for part in found["parts"])
    assert whole == pytest.approx(found["prediction"], rel=1e-6)
    assert found["prediction"] == pytest.approx(asked["forecast"][step - 1]["mean"], rel=1e-6)
    assert found["parts"]
    assert inked(page, "explanation-chart") > 10
    trees = answer["meta"]["algorithm"] == "lightgbm_global"
    expect(page.locator(".facts")).to_contain_text("shap.TreeExplainer" if trees else "components")


def open_tenant(page: Page, stack: Stack, shop: Shop) -> None:
    page.goto(f"{stack.bare}/admin/")
    page.locator(".model-tenant th a").click()
    page.locator("#searchbar").fill(shop.slug)
    page.locator("#searchbar").press("Enter")
    look(page, "console-tenants")
    page.locator("#result_list").get_by_role("link", name=shop.slug).click()


def take_step(page: Page, link: str, reason: str) -> None:
    page.get_by_role("link", name=link).click()
    page.get_by_label("Reason").fill(reason)
    look(page, f"console-{link.split(maxsplit=1)[0].lower()}")
    page.locator(".submit-row input[type=submit]").click()
    expect(page.locator(".messagelist")).to_contain_text("done")
