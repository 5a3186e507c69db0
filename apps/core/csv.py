"""Text that goes into CSV files which people open in a spreadsheet."""

from __future__ import annotations


def safe_cell(text: str) -> str:
    """``text`` with an apostrophe in front where a spreadsheet would take it for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
