"""The audit log as others read it: filters from an address, rows for programs, and files of it.

Here, and not in audit, as the tenant's scope and the API's keys stand above that app; pages, API and command line
share it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from apps.audit import queries
from apps.audit import services as audit
from apps.audit.errors import InvalidFilter
from apps.audit.models import AuditEvent
from apps.audit.queries import Filter
from apps.core.csv import safe_cell
from apps.core.ids import public_id

Format = Literal["csv", "ndjson"]
CONTENT_TYPES: Final[dict[Format, str]] = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
}
COLUMNS: Final = (
    "id",
    "occurred_at",
    "actor_type",
    "actor_id",
    "actor",
    "action",
    "target_type",
    "target_id",
    "outcome",
    "changes",
    "about_people",
    "ip",
    "user_agent",
    "request_id",
    "number",
)
LONGEST: Final = 200
BATCH: Final = 500


def filter_of(parameters: Mapping[str, Any]) -> Filter:
    """The filter that an address asks for; ``until`` as a day is that whole day. Raises ``InvalidFilter``."""
    texts = {name: _text(parameters, name) for name in ("search", "action", "actor", "target", "request_id")}
    return Filter(
        **texts,
        actor_type=_one_of(parameters, "actor_type", queries.ACTOR_TYPES),
        outcome=_one_of(parameters, "outcome", queries.OUTCOMES),
        since=_time(parameters, "since", timedelta(0)),
        until=_time(parameters, "until", timedelta(days=1)),
    )


def as_json(event: AuditEvent) -> dict[str, Any]:
    """An event for programs. ``about_people`` and what else names somebody is null or empty once erased."""
    return {
        "id": public_id("evt", event.id),
        "occurred_at": event.occurred_at.isoformat(),
        "actor": {"type": event.actor_type, "id": event.actor_id, "label": event.actor_label or None},
        "action": event.action,
        "target": {"type": event.target_type, "id": event.target_id},
        "outcome": event.outcome,
        "changes": event.changes,
        "about_people": event.about_people.get("details", {}),
        "ip": event.ip,
        "user_agent": event.user_agent or None,
        "request_id": event.request_id,
        "number": event.sealed_number,
        "erased": event.is_erased,
    }


def export(wanted: Filter, form: Format, scope: Callable[[], AbstractContextManager[Any]]) -> Iterator[bytes]:
    """The events as a file, oldest last, in pieces; that it was taken is itself noted at once.

    Each piece is read in a ``scope`` of its own, as a response is sent after its request's scope has ended.
    """
    with scope():
        audit.record_export(form=form, wanted=wanted.given)
    return _pieces(wanted, _CSV if form == "csv" else _NDJSON, scope)


def _pieces(
    wanted: Filter,
    show: tuple[bytes, Callable[[AuditEvent], bytes]],
    scope: Callable[[], AbstractContextManager[Any]],
) -> Iterator[bytes]:
    head, line = show
    yield head
    last = None
    while True:
        with scope():
            events = queries.list_events(wanted)
            found = list((events.filter(id__lt=last) if last else events)[:BATCH])
            piece = b"".join(line(event) for event in found)
        if not found:
            return
        yield piece
        last = found[-1].id


def _csv_line(event: AuditEvent) -> bytes:
    row = as_json(event)
    changes, people = (json.dumps(row[name], ensure_ascii=False) for name in ("changes", "about_people"))
    cells = (
        row["id"],
        row["occurred_at"],
        row["actor"]["type"],
        row["actor"]["id"],
        row["actor"]["label"],
        row["action"],
        row["target"]["type"],
        row["target"]["id"],
        row["outcome"],
        changes,
        people,
        row["ip"],
        row["user_agent"],
        row["request_id"],
        row["number"],
    )
    return _csv_cells(cells)


def _csv_cells(cells: tuple[Any, ...]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow([safe_cell("" if cell is None else str(cell)) for cell in cells])
    return out.getvalue().encode()


def _json_line(event: AuditEvent) -> bytes:
    return json.dumps(as_json(event), ensure_ascii=False).encode() + b"\n"


_CSV: Final = (_csv_cells(COLUMNS), _csv_line)
_NDJSON: Final = (b"", _json_line)


def _text(parameters: Mapping[str, Any], name: str) -> str:
    text = str(parameters.get(name, "")).strip()
    if len(text) > LONGEST or "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
        raise InvalidFilter(name=name, wanted=f"text of at most {LONGEST} characters")
    return text


def _one_of(parameters: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    text = str(parameters.get(name, ""))
    if text and text not in allowed:
        raise InvalidFilter(name=name, wanted=f"one of {', '.join(allowed)}")
    return text


def _time(parameters: Mapping[str, Any], name: str, whole_day: timedelta) -> datetime | None:
    text = str(parameters.get(name, "")).strip()
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        aware = found if found.tzinfo else found.replace(tzinfo=UTC)
        return aware.astimezone(UTC) + (whole_day if len(text) == len("2026-01-31") else timedelta(0))
    except (ValueError, OverflowError):
        raise InvalidFilter(name=name, wanted="a date, or a time as in RFC 3339") from None
