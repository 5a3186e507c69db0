"""What the hosted pages share: templates, amounts, dates, and a strict Content-Security-Policy."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse

_WITHOUT_MINOR_UNIT = {"clp", "jpy", "krw", "vnd", "xaf", "xof"}
_SIGNS = {"eur": "€", "gbp": "£", "usd": "$"}


def money(amount: int, currency: str) -> str:
    """An amount in minor units as people write it, such as `$49.00`."""
    value = f"{abs(amount):,}" if currency in _WITHOUT_MINOR_UNIT else f"{abs(amount) / 100:,.2f}"
    sign = _SIGNS.get(currency)
    shown = f"{sign}{value}" if sign else f"{value} {currency.upper()}"
    return f"−{shown}" if amount < 0 else shown


def day(moment: int) -> str:
    """Unix seconds as a date in UTC, such as `3 November 2026`."""
    found = datetime.fromtimestamp(moment, UTC)
    return f"{found.day} {found:%B %Y}"


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)
_TEMPLATES.filters |= {"money": money, "day": day}


def render(
    template: str, context: dict[str, Any], *, leads_to: str | None = None, status: int = 200
) -> HTMLResponse:
    """The page; forms may lead back here and to the origin of `leads_to`, nothing else is allowed."""
    onward = origin_of(leads_to) if leads_to else ""
    policy = (
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {onward}".strip()
    )
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(_TEMPLATES.get_template(template).render(context), status, headers)


def message(title: str, text: str, *, back: str | None = None, status: int = 200) -> HTMLResponse:
    """A page that only says something."""
    return render("message.html", {"title": title, "text": text, "back": back}, status=status)


def see_other(url: str) -> RedirectResponse:
    """Send the browser on after a form."""
    return RedirectResponse(url, 303, {"Cache-Control": "no-store"})


def origin_of(url: str) -> str:
    """Scheme, host and port of the URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
