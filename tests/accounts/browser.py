"""A test client that keeps cookies per host and follows redirects from host to host, as browsers do."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

from django.test import Client

BARE = "http://localhost"


class Browser:
    """``visit`` and ``submit`` follow redirects; ``trail`` lists every address of the last call."""

    def __init__(self) -> None:
        self.clients: dict[str, Client] = {}
        self.trail: list[str] = []

    def client(self, url: str) -> Client:
        """The cookies of the address's host."""
        host = urlsplit(url).netloc
        return self.clients.setdefault(host, Client(headers={"host": host}))

    def visit(self, url: str, **headers: str) -> Any:
        """GET, and on."""
        self.trail = []
        return self._follow(url, self._get(url, **headers))

    def submit(self, url: str, data: dict[str, Any]) -> Any:
        """POST, and on."""
        self.trail = [url]
        return self._follow(url, self.client(url).post(_path(url), data))

    def step(self, url: str) -> Any:
        """One GET; a redirect is not followed."""
        self.trail = []
        return self._get(url)

    def log_in(self, email: str, password: str, base: str = BARE) -> Any:
        """On the bare host."""
        return self.submit(f"{base}/login/", {"email": email, "password": password})

    def _get(self, url: str, **headers: str) -> Any:
        self.trail.append(url)
        return self.client(url).get(_path(url), headers=headers)

    def _follow(self, url: str, response: Any) -> Any:
        for _ in range(12):
            if response.status_code not in (301, 302, 303):
                return response
            url = urljoin(url, response["Location"])
            response = self._get(url)
        raise AssertionError(f"redirects without end: {self.trail}")


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
