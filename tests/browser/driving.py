"""Debian's Chromium, driven by Playwright: launching it, what a page must never do, and pictures of pages."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SHOTS = os.environ.get("ALMANAC_SHOTS")
WIDE, NARROW = {"width": 1360, "height": 900}, {"width": 390, "height": 844}
PATIENCE_MS = 20_000  # on a busy machine
READY = "document.querySelectorAll('.skeleton').length === 0"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser, closed when the block ends."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Watch:
    """What went wrong on any page of a browser context; ``nothing_wrong`` fails the test with it."""

    def __init__(self, context: BrowserContext, hosts: str) -> None:
        """``hosts``: the name below which every host that a page may ask has to lie, such as ``localhost``."""
        self.wrong: list[str] = []
        self._refusals: list[tuple[int, str]] = []
        self._hosts = hosts
        context.on("console", self._console)
        context.on("weberror", lambda error: self.wrong.append(f"script: {error.error}"))
        context.on("request", self._request)
        context.on("requestfailed", self._failed)
        context.on("response", self._response)

    def expect(self, status: int, path: str) -> None:
        """One answer with this status at this path is meant: the browser's complaint about it is no fault."""
        self._refusals.append((status, path))

    def nothing_wrong(self) -> None:
        """Fail with all that was noted."""
        assert self.wrong == []
        assert self._refusals == [], "these answers were expected and did not come"

    def _console(self, said: ConsoleMessage) -> None:
        # Chromium reports a refused page load here as well; `_response` judges those.
        if said.type in {"error", "warning"} and "the server responded with a status of" not in said.text:
            self.wrong.append(f"console: {said.text} ({said.location.get('url', '')})")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        host = parts.hostname or ""
        ours = host == self._hosts or host.endswith(f".{self._hosts}") or host == "127.0.0.1"
        if parts.scheme in {"http", "https"} and not ours:
            self.wrong.append(f"asked another host: {request.url}")

    def _failed(self, request: Request) -> None:
        # A page that is left aborts what it still asked for, and a download leaves the page where it is.
        if "ERR_ABORTED" not in (request.failure or ""):
            self.wrong.append(f"failed: {request.method} {request.url}: {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status < 400:
            return
        answer = (response.status, urlsplit(response.url).path)
        if answer in self._refusals:
            self._refusals.remove(answer)
        else:
            self.wrong.append(f"{response.status}: {response.request.method} {response.url}")


def shoot(page: Page, name: str) -> None:
    """Keep pictures of the page, light and dark, wide and narrow, where ALMANAC_SHOTS names a folder for them."""
    if not SHOTS:
        return
    page.wait_for_function(READY)
    page.wait_for_timeout(400)  # a chart's own animation
    for width, size in (("wide", WIDE), ("narrow", NARROW)):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(150)
            page.screenshot(path=Path(SHOTS) / f"{name}-{width}-{scheme}.png", full_page=True)
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="light")


def json_block(page: Page, element_id: str) -> Any:
    """The data that a chart is drawn from."""
    return json.loads(page.locator(f"#{element_id}").text_content() or "null")


def inked(page: Page, chart: str) -> int:
    """How many different colours a chart's canvas shows; 1 is an empty one."""
    return int(page.locator(f"[data-source={chart}] canvas").first.evaluate(
        """canvas => {
          const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return new Set(new Uint32Array(data.buffer)).size;
        }"""
    ))  # fmt: skip
