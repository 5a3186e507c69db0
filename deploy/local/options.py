"""What the person who types `make up` may choose, read from the environment and checked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from deploy.local.layout import Layout, from_environment
from deploy.local.problems import StartProblem

EVERY_ADDRESS = {"0.0.0.0", "::", ""}  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True)
class Options:
    """The choices of one start."""

    layout: Layout
    host: str
    port: int
    database: str
    database_url: str | None
    redis_url: str | None
    stripe_api_key: str | None

    @property
    def url(self) -> str:
        """The bare host as a browser on this machine reaches it."""
        reachable = "127.0.0.1" if self.host in EVERY_ADDRESS | {"localhost"} else self.host
        return f"http://{f'[{reachable}]' if ':' in reachable else reachable}:{self.port}"

    @property
    def stripe_simulated(self) -> bool:
        return self.stripe_api_key is None


def read() -> Options:
    """The options; raises StartProblem for a value that cannot be meant."""
    database = os.environ.get("ALMANAC_DATABASE") or "almanac"
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,29}", database):
        raise StartProblem(
            f"ALMANAC_DATABASE={database} cannot be used: role names are made from it.",
            "Use at most 30 lower-case letters, digits and underscores, a letter first.",
        )
    return Options(
        layout=from_environment(),
        host=os.environ.get("HOST") or "127.0.0.1",
        port=_port(os.environ.get("PORT") or "8000"),
        database=database,
        database_url=os.environ.get("DATABASE_URL") or None,
        redis_url=os.environ.get("REDIS_URL") or None,
        stripe_api_key=os.environ.get("STRIPE_API_KEY") or None,
    )


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise StartProblem(f"PORT={text} is not a port.", "Use a number from 1 to 65535, such as PORT=8000.")
    return int(text)
