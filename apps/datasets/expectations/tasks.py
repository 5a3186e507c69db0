"""What the sandbox's child does with expectations: see ``apps.datasets.sandbox.tasks``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from apps.datasets.expectations.contracts import Summary, parse
from apps.datasets.points.manifest import Entry

if TYPE_CHECKING:
    import polars as pl


def expect(request: dict[str, Any]) -> dict[str, Any]:
    """``{"parquet" or "entries", "expectations", "frequency", "now", "previous", "statics", "zone"}``: the ``results``, and
    the ``summary`` with which the version after this one is to be compared (its ``previous``).

    ``parquet`` is the path of a long table; ``entries`` a manifest, with the ``covariates`` and ``past`` columns that are
    looked at. ``now`` is ISO text with an offset. All but the first two may be left out.
    """
    import polars as pl

    statics = pl.read_parquet(request["statics"]) if request.get("statics") else None
    return expect_of(_table(request), request, statics=statics)


def expect_of(
    table: pl.DataFrame, request: dict[str, Any], *, statics: pl.DataFrame | None = None
) -> dict[str, Any]:
    """As ``expect``, for a child's task that holds the table already; its times are in the request's ``zone``."""
    from apps.datasets.expectations.checking import check_given
    from apps.datasets.expectations.tables import Given

    previous = request.get("previous")
    given = Given(
        table,
        previous=Summary.from_json(previous) if previous else None,
        frequency=request.get("frequency") or None,
        now=_now(request),
        statics=statics,
    )
    results = check_given(given, parse(request["expectations"]))
    return {"results": [each.to_json() for each in results], "summary": given.summary.to_json()}


def _table(request: dict[str, Any]) -> pl.DataFrame:
    import polars as pl

    from apps.datasets.points import state

    if "parquet" in request:
        return pl.read_parquet(request["parquet"])
    entries = [Entry.from_json(each) for each in request["entries"]]
    columns = (*request.get("covariates", ()), *request.get("past", ()))
    return state.current(entries, covariates=columns)


def _now(request: dict[str, Any]) -> datetime:
    now = datetime.fromisoformat(request["now"]) if request.get("now") else datetime.now(UTC)
    zone = ZoneInfo(request["zone"]) if request.get("zone") else UTC
    return now.astimezone(zone).replace(tzinfo=None)
