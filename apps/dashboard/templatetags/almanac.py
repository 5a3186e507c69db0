"""Filters that the pages share: numbers and durations as people read them."""

from __future__ import annotations

import math
import re
from datetime import datetime

from django import template

register = template.Library()
_STEPS = ((1e9, "G"), (1e6, "M"), (1e4, "k"))
_FREQUENCY = re.compile(r"(?P<count>\d*)(?P<unit>[A-Za-z]+)(-[A-Z]{3})?")
_UNITS = {
    "S": ("every second", "s"),
    "MIN": ("every minute", "min"),
    "H": ("hourly", "h"),
    "D": ("daily", "days"),
    "B": ("working days", "working days"),
    "W": ("weekly", "weeks"),
    "MS": ("monthly", "months"),
    "ME": ("monthly", "months"),
    "QS": ("quarterly", "quarters"),
    "QE": ("quarterly", "quarters"),
    "YS": ("yearly", "years"),
    "YE": ("yearly", "years"),
}


@register.filter
def number(value: object) -> str:
    """Four significant digits with thousands separated: ``12,840``, ``0.7421``; a dash for None and NaN."""
    if not isinstance(value, int | float) or math.isnan(value):
        return "–"
    size = abs(value)
    if size >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 100 else f"{value:.4g}"


@register.filter
def compact(value: object) -> str:
    """A count in the room of a tile: ``9,870``, ``12.4k``, ``3.1M``."""
    if not isinstance(value, int | float):
        return "–"
    for step, suffix in _STEPS:
        if abs(value) >= step:
            return f"{value / (1e3 if suffix == 'k' else step):.1f}".removesuffix(".0") + suffix
    return number(value)


@register.filter
def duration(seconds: object) -> str:
    """``0.4 s``, ``42 s``, ``3 min 05 s``, ``2 h 10 min``; a dash for None."""
    if not isinstance(seconds, int | float):
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


@register.filter
def whole_seconds(seconds: float) -> float:
    """An estimate, rounded so that it does not pretend to be exact."""
    return math.ceil(seconds / 10) * 10


@register.filter
def frequency(code: object) -> str:
    """A frequency's code in words: ``MS`` is ``monthly``, ``15min`` ``every 15 min``; others stay."""
    text = str(code or "–")
    match = _FREQUENCY.fullmatch(text)
    if not match or match["unit"].upper() not in _UNITS:
        return text
    adverb, noun = _UNITS[match["unit"].upper()]
    return f"every {match['count']} {noun}" if int(match["count"] or 1) > 1 else adverb


@register.filter
def axis_time(moment: object, code: object = "") -> str:
    """A point of a series' time axis as fine as its frequency: ``Mar 2025``, ``3 Mar 2025, 14:00``."""
    try:
        read = datetime.fromisoformat(str(moment))
    except ValueError:
        return "–" if moment in (None, "") else str(moment)
    if str(code).upper()[:2] in ("YS", "YE"):
        return str(read.year)
    if str(code).upper()[:2] in ("MS", "ME", "QS", "QE"):
        return f"{read:%b %Y}"
    return f"{read.day} {read:%b %Y}" + (f"{read:, %H:%M}" if read.hour or read.minute else "")


@register.filter
def falls_short(share: object, level: int) -> bool:
    """Whether a band of ``level`` per cent held clearly less often (by more than five points) than it promises."""
    return isinstance(share, int | float) and share * 100 < level - 5


@register.filter
def percent(share: object) -> str:
    """A share of one as ``28 %``; a dash for None."""
    return f"{share * 100:.0f} %" if isinstance(share, int | float) else "–"


@register.filter
def money(amount: object, currency: str = "") -> str:
    """An amount without cents from a thousand on: ``12,840 EUR``, ``7.50``; a dash for None and NaN."""
    if not isinstance(amount, int | float) or math.isnan(amount):
        return "–"
    text = f"{amount:,.0f}" if abs(amount) >= 1000 else f"{amount:,.2f}"
    return f"{text} {currency}".strip()
