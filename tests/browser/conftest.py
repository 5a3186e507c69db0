"""One stack and one browser for all the tests here, and a company that got its model as a person would."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import shopkeeper
from tests.browser.driving import WIDE, Watch, chromium
from tests.browser.shopkeeper import Shop
from tests.browser.stack import Stack, running

Open = Callable[..., tuple[Page, Watch]]


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    """The real program: web, workers, servers, and the simulator of Stripe."""
    with running() as stack:
        yield stack


@pytest.fixture(scope="package")
def browser(stack: Stack) -> Iterator[Browser]:
    """Chromium; of the package only, as Django refuses queries while Playwright's loop runs."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def window(browser: Browser) -> Iterator[Open]:
    """Open a window of its own for someone, ``state`` being the cookies of somebody who came in before.

    At the end of the test, nothing may have gone wrong in any of them.
    """
    opened: list[tuple[BrowserContext, Watch]] = []

    def open_one(state: shopkeeper.Cookies | None = None) -> tuple[Page, Watch]:
        context = browser.new_context(viewport=WIDE, storage_state=state)  # type: ignore[arg-type]
        opened.append((context, Watch(context, "localhost")))
        return context.new_page(), opened[-1][1]

    yield open_one
    for context, watch in opened:
        context.close()
        watch.nothing_wrong()


@pytest.fixture(scope="package")
def shop(stack: Stack, browser: Browser) -> Shop:
    """A stranger's company with a data set of unguessable columns, a model, and an API key."""
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    watch, page = Watch(context, "localhost"), context.new_page()
    shop = shopkeeper.comes_in(page, stack, f"Kettle {int(time.time())}")
    shopkeeper.looks_around(page, shop)
    shopkeeper.brings_data(page, shop)
    shopkeeper.trains(page, shop)
    shop.key = shopkeeper.makes_a_key(page, shop)
    shop.state = context.storage_state()
    context.close()
    watch.nothing_wrong()
    return shop
