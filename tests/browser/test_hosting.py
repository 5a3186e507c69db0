"""Somebody brings a model of the company's own, asks it by page and program, and deletes it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from tests.brought import SIGNATURE_TEXT, TREE
from tests.browser import shopkeeper
from tests.browser.driving import Watch, shoot
from tests.browser.people import heading
from tests.browser.stack import Stack

Open = Callable[..., tuple[Page, Watch]]


def test_a_model_is_brought_refused_and_asked_on_its_page(window: Open, stack: Stack) -> None:
    page, watch = window()
    shop = shopkeeper.comes_in(page, stack, f"Tree {int(time.time())}")
    page.goto(f"{shop.url}/models/")
    page.get_by_role("link", name="Your own models").click()
    heading(page, "Your own models")
    shoot(page, "hosting-empty")
    page.get_by_role("link", name="Bring a model").first.click()
    shoot(page, "hosting-new")
    watch.expect(422, "/models/hosted/new/")
    _fill(page, b"\x80\x04pickle")
    expect(page.get_by_role("alert")).to_contain_text("The file is a pickle")
    shoot(page, "hosting-refused")
    _fill(page, TREE.encode() + b"\n" * 2_000_000)  # larger than what is read without being asked about
    heading(page, "corner")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#answer")).to_contain_text('"predictions"')
    shoot(page, "hosting-tried")
    _asks_as_a_program(page, stack, shop)
    page.goto(f"{shop.url}/models/hosted/of/corner/")
    page.get_by_role("button", name="Delete the model").first.click()
    page.get_by_label("Type the model's name").fill("corner")
    shoot(page, "hosting-delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete the model").click()
    heading(page, "Your own models")
    expect(page.get_by_text("No model of your own yet")).to_be_visible()


def _fill(page: Page, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tree.txt")
        path.write_bytes(data)
        page.get_by_label("Name").fill("corner")
        page.get_by_label("Signature").fill(SIGNATURE_TEXT)
        page.get_by_label("File").set_input_files(path)
        page.get_by_role("button", name="Try and register").click()
        page.wait_for_load_state()


def _asks_as_a_program(page: Page, stack: Stack, shop: shopkeeper.Shop) -> None:
    key = shopkeeper.makes_a_key(page, shop)
    answer = httpx.post(
        f"{stack.api}/v1/models/corner/predict",
        json={"instances": [[1, 2], {"price": 30, "stock": None}]},
        headers={"Authorization": f"Bearer {key}"},
        timeout=30,
    )
    assert (answer.status_code, answer.json()["predictions"]) == (200, [1, 3]), answer.text
