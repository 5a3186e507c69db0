"""The operator in a browser, and a tenant with something to look at."""

from __future__ import annotations

import pytest

from apps.accounts import services
from tests.accounts.browser import BARE, Browser

OPERATOR, PASSWORD = "operator@almanac.example", "correct-horse-battery"
ADMIN = f"{BARE}/admin/"


@pytest.fixture
def operator(db: None) -> Browser:
    """Logged in on the bare host."""
    services.create_operator(email=OPERATOR, password=PASSWORD)
    browser = Browser()
    browser.log_in(OPERATOR, PASSWORD)
    return browser
